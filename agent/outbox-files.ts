import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { TaskResult } from '#protocol/agent-messages.ts'
import type { TaskResult as Result } from './session/state.ts'

/**
 * Results without an answer, one file each (`<data>/outbox`, mode 0600), so that a restart sends them again. Writes and
 * deletes run one after the other: an answer that comes before its result is on disk still finds the file.
 */
export class OutboxFiles {
  readonly #folder: string
  #last: Promise<void> = Promise.resolve()

  constructor(dataFolder: string) {
    this.#folder = join(dataFolder, 'outbox')
  }

  /** What an earlier process left. A file that is cut short is dropped: its task is run again when its lease ends. */
  async load(): Promise<Result[]> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const results: Result[] = []
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name)
      const parsed = TaskResult.safeParse(parseJson(await readFile(path, 'utf8')))
      if (parsed.success) results.push(parsed.data)
      else await rm(path, { force: true })
    }
    return results
  }

  save(result: Result): Promise<void> {
    return this.#after(async () => {
      const path = this.#pathOf(result)
      const file = await open(`${path}.new`, 'w', 0o600)
      try {
        await file.writeFile(JSON.stringify(result))
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(`${path}.new`, path)
    })
  }

  forget(result: Result): Promise<void> {
    return this.#after(() => rm(this.#pathOf(result), { force: true }))
  }

  /** Resolves when nothing is being written. */
  idle(): Promise<void> {
    return this.#last
  }

  #pathOf(result: Result): string {
    return join(this.#folder, `${result.task_id}.f${result.fence}.json`)
  }

  #after(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work)
    // The caller hears of a failure; the next one in line goes on all the same.
    this.#last = done.catch(() => {})
    return done
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Cut short by a crash.
    return null
  }
}
