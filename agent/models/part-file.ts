import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm, stat, truncate } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { readDurable, writeDurably } from './durable-file.ts'

/** What makes two downloads the same file: its digest, else the hub's etag and size. */
export interface FileIdentity {
  readonly sha256: string | null
  readonly etag: string | null
  readonly sizeBytes: number | null
}

const Sidecar = z.strictObject({
  sha256: z.string().nullable(),
  etag: z.string().nullable(),
  size_bytes: z.number().nullable(),
  /** Of the server that the bytes came from, for `If-Range`. */
  range_etag: z.string().nullable(),
  /** So many bytes are surely on the disk, also after a power cut. */
  synced_bytes: z.number(),
  /** Set when all bytes are there and right. */
  finished_sha256: z.string().nullable(),
})

export interface FinishedFile {
  readonly sha256: string
  readonly sizeBytes: number
}

/** So much is lost at most where nobody knows the digest and the power goes. */
const SYNC_EVERY_BYTES = 64 * 1024 ** 2
const READ_BYTES = 1024 ** 2

/**
 * A file that is on its way: its bytes, and a sidecar beside them, which says whose bytes they are. After a kill it goes
 * on where it was: the digest so far is computed anew from the disk. Where the digest is known all bytes there are trusted,
 * since a wrong one is found at the end; else only those that were synced.
 */
export class PartFile {
  readonly #path: string
  readonly #identity: FileIdentity
  #file: FileHandle | null = null
  #hash: Hash = createHash('sha256')
  #bytes = 0
  #syncedBytes = 0
  #rangeEtag: string | null = null

  private constructor(path: string, identity: FileIdentity) {
    this.#path = path
    this.#identity = identity
  }

  /**
   * What an earlier pull finished of the same file, and put at `target`; null: nothing. It is read anew, since a disk may
   * change a byte, and its owner all of them; with a wrong one it is removed.
   */
  static async finished(path: string, target: string, identity: FileIdentity): Promise<FinishedFile | null> {
    const sidecar = await readDurable(sidecarOf(path), Sidecar)
    if (sidecar === null || sidecar.finished_sha256 === null || !isSame(sidecar, identity)) return null
    const hash = createHash('sha256')
    const sizeBytes = await hashFile(target, hash).catch(() => null)
    const sha256 = hash.digest('hex')
    if (sizeBytes !== null && sha256 === sidecar.finished_sha256) return { sha256, sizeBytes }
    await rm(target, { force: true })
    return null
  }

  /** Goes on with what lies there of the same file, else begins. */
  static async open(path: string, identity: FileIdentity): Promise<PartFile> {
    const part = new PartFile(path, identity)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const sidecar = await readDurable(sidecarOf(path), Sidecar)
    if (sidecar !== null && isSame(sidecar, identity)) await part.#resume(sidecar)
    else await part.restart()
    return part
  }

  get bytes(): number {
    return this.#bytes
  }

  /** What `If-Range` has to carry; null where the digest will tell a changed file anyway. */
  get rangeEtag(): string | null {
    return this.#identity.sha256 === null ? this.#rangeEtag : null
  }

  /** Throws away what there is. */
  async restart(): Promise<void> {
    await this.#file?.close()
    this.#file = await open(this.#path, 'w', 0o600)
    this.#hash = createHash('sha256')
    this.#bytes = 0
    this.#rangeEtag = null
    await this.#save(0)
  }

  /** The server that the next bytes come from. */
  async comesFrom(rangeEtag: string | null): Promise<void> {
    if (this.#rangeEtag === rangeEtag) return
    this.#rangeEtag = rangeEtag
    await this.#save(this.#syncedBytes)
  }

  async append(chunk: Buffer): Promise<void> {
    let written = 0
    while (written < chunk.length) {
      const { bytesWritten } = await this.#opened().write(chunk, written, chunk.length - written)
      written += bytesWritten
    }
    this.#hash.update(chunk)
    this.#bytes += chunk.length
    if (this.#bytes - this.#syncedBytes < SYNC_EVERY_BYTES) return
    await this.#opened().datasync()
    await this.#save(this.#bytes)
  }

  /** Of the bytes so far. */
  sha256(): string {
    return this.#hash.copy().digest('hex')
  }

  /** The whole file goes to its place; the sidecar stays, and tells the next process that it did. */
  async finish(target: string): Promise<void> {
    await this.#opened().sync()
    await this.close()
    await mkdir(dirname(target), { recursive: true, mode: 0o700 })
    await this.#save(this.#bytes, this.sha256())
    await rename(this.#path, target)
  }

  /** Nothing of it stays. */
  async discard(): Promise<void> {
    await this.close()
    await rm(this.#path, { force: true })
    await rm(sidecarOf(this.#path), { force: true })
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = null
  }

  async #resume(sidecar: z.infer<typeof Sidecar>): Promise<void> {
    const length = (await stat(this.#path).catch(() => null))?.size ?? 0
    const size = this.#identity.sizeBytes ?? Number.POSITIVE_INFINITY
    const trusted = this.#identity.sha256 === null ? Math.min(length, sidecar.synced_bytes) : length
    if (trusted === 0 || trusted > size) return this.restart()
    await truncate(this.#path, trusted)
    await hashFile(this.#path, this.#hash)
    this.#file = await open(this.#path, 'a', 0o600)
    this.#bytes = trusted
    this.#syncedBytes = sidecar.synced_bytes
    this.#rangeEtag = sidecar.range_etag
  }

  async #save(syncedBytes: number, finished_sha256: string | null = null): Promise<void> {
    this.#syncedBytes = syncedBytes
    const { sha256, etag, sizeBytes } = this.#identity
    const sidecar: z.infer<typeof Sidecar> = {
      sha256,
      etag,
      size_bytes: sizeBytes,
      range_etag: this.#rangeEtag,
      synced_bytes: syncedBytes,
      finished_sha256,
    }
    await writeDurably(sidecarOf(this.#path), sidecar)
  }

  #opened(): FileHandle {
    if (this.#file === null) throw new Error(`${this.#path} is closed`)
    return this.#file
  }
}

/** All bytes of it; resolves to how many they are. */
async function hashFile(path: string, hash: Hash): Promise<number> {
  let bytes = 0
  for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return bytes
}

/** Flat, whatever folders the model has, and with names that any file system takes. */
export function partPathOf(folder: string, path: string): string {
  return join(folder, createHash('sha256').update(path).digest('hex').slice(0, 32))
}

function sidecarOf(path: string): string {
  return `${path}.json`
}

function isSame(sidecar: z.infer<typeof Sidecar>, identity: FileIdentity): boolean {
  if (sidecar.sha256 !== null || identity.sha256 !== null) return sidecar.sha256 === identity.sha256
  return sidecar.etag !== null && sidecar.etag === identity.etag && sidecar.size_bytes === identity.sizeBytes
}
