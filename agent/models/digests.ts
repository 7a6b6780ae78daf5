import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'

export interface ExpectedFile {
  readonly path: string
  /** Null: nobody said. */
  readonly sizeBytes: number | null
  readonly sha256: string | null
}

export interface FileFault {
  readonly code: 'model_missing' | 'model_corrupt'
  readonly message: string
}

/**
 * The sha256 sums of files. Each is computed once for a size and time of change, however many ask at once; a file that
 * changes is read again.
 */
export class Digests {
  readonly #known = new Map<string, { readonly mark: string; readonly sha256: Promise<string> }>()

  /** What is wrong with a file, every byte read. */
  fault(file: ExpectedFile): Promise<FileFault | null> {
    return this.#fault(file, true)
  }

  /** The same as far as it is known without reading: there, of the right size, not found wrong before. */
  knownFault(file: ExpectedFile): Promise<FileFault | null> {
    return this.#fault(file, false)
  }

  /** The sum of a file that was just written is known already. */
  async note(path: string, sha256: string): Promise<void> {
    const mark = await markOf(path)
    if (mark !== null) this.#known.set(path, { mark: mark.text, sha256: Promise.resolve(sha256) })
  }

  /** A link, or what was renamed, has the sum of what it was, as far as that is known; a copy has another time, and is read. */
  async noteLink(path: string, link: string): Promise<void> {
    const known = this.#known.get(path)
    if (known !== undefined && (await markOf(link))?.text === known.mark) this.#known.set(link, known)
  }

  /** Throws when the file cannot be read. */
  async sha256Of(path: string): Promise<string> {
    const mark = await markOf(path)
    return this.#sha256Of(path, mark?.text ?? '')
  }

  async #fault(file: ExpectedFile, reads: boolean): Promise<FileFault | null> {
    const mark = await markOf(file.path)
    if (mark === null) return { code: 'model_missing', message: 'the file is not there' }
    if (file.sizeBytes !== null && mark.sizeBytes !== file.sizeBytes)
      return corrupt(`expected ${file.sizeBytes} bytes, found ${mark.sizeBytes}`)
    if (file.sha256 === null) return null
    if (!reads && this.#known.get(file.path)?.mark !== mark.text) return null
    const sha256 = await this.#sha256Of(file.path, mark.text)
    return sha256 === file.sha256 ? null : corrupt(`expected sha256 ${file.sha256}, found ${sha256}`)
  }

  #sha256Of(path: string, mark: string): Promise<string> {
    const known = this.#known.get(path)
    if (known?.mark === mark) return known.sha256
    const sha256 = readSha256(path)
    this.#known.set(path, { mark, sha256 })
    sha256.catch(() => this.#known.delete(path))
    return sha256
  }
}

function corrupt(message: string): FileFault {
  return { code: 'model_corrupt', message }
}

async function markOf(path: string): Promise<{ readonly text: string; readonly sizeBytes: number } | null> {
  const stats = await stat(path).catch(() => null)
  return stats?.isFile() ? { text: `${stats.size} ${stats.mtimeMs}`, sizeBytes: stats.size } : null
}

/** Large reads: a model is gigabytes, and each chunk costs a turn of the event loop. */
const READ_BYTES = 1024 ** 2

async function readSha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) hash.update(chunk)
  return hash.digest('hex')
}
