import { openAsBlob, statSync } from 'node:fs'
import { basename, extname, resolve } from 'node:path'
import { CommandError, EXIT } from './exit-codes.ts'

/** A file to transcribe, looked at before anything is sent. */
export interface Recording {
  readonly path: string
  /** The file's own name, which becomes the job's. */
  readonly name: string
  /** How it is called on the screen: its name, or the path where names repeat. */
  readonly label: string
}

/** @throws CommandError naming the first that is missing, a directory, or empty. */
export function openRecordings(paths: readonly string[]): Recording[] {
  const names = paths.map((path) => basename(path))
  return paths.map((path) => {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined) throw new CommandError(`${path}: no such file`, EXIT.failure)
    if (stats.isDirectory()) {
      throw new CommandError(
        `${path} is a directory; name the files, for example ${path.replace(/\/$/, '')}/*.wav`,
        EXIT.failure,
      )
    }
    if (stats.size === 0) throw new CommandError(`${path} is empty`, EXIT.failure)
    const name = basename(path)
    const isUnique = names.filter((each) => each === name).length === 1
    return { path: resolve(path), name, label: isUnique ? name : path }
  })
}

/** The bytes, read from disk as they are sent. */
export function readRecording(recording: Recording): Promise<Blob> {
  return openAsBlob(recording.path)
}

/** File names for the results: the recording's without its extension, with it where two would collide, numbered at last. */
export function outputNames(recordings: readonly Recording[], format: string): string[] {
  const stems = recordings.map(({ name }) => name.slice(0, name.length - extname(name).length))
  const taken = new Set<string>()
  return recordings.map(({ name }, index) => {
    const isUnique = stems.filter((stem) => stem === stems[index]).length === 1
    const base = isUnique ? (stems[index] ?? name) : name
    let candidate = `${base}.${format}`
    for (let number = 2; taken.has(candidate); number++) candidate = `${base}-${number}.${format}`
    taken.add(candidate)
    return candidate
  })
}
