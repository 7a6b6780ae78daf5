import { randomUUID } from 'node:crypto'
import { copyFile, link, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * This agent's own outputs, kept for the next task of the same job: a task that reads what its predecessor wrote here
 * downloads nothing. By artifact key, which carries the fence, so that an entry never changes. Bounded by bytes and by
 * time, oldest first; gone when the agent ends.
 */
export class OutputCache {
  readonly #folder: string
  readonly #limitBytes: number
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>()

  constructor(folder: string, limitBytes: number) {
    this.#folder = folder
    this.#limitBytes = limitBytes
  }

  /** Moves a finished output in (same file system). What is larger than the whole cache is left where it is. */
  async keep(key: string, path: string, sizeBytes: number, nowMs: number): Promise<void> {
    if (sizeBytes > this.#limitBytes) return
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const kept = join(this.#folder, randomUUID())
    await rename(path, kept)
    await this.drop([key])
    this.#entries.set(key, { path: kept, sizeBytes, untilMs: nowMs + KEPT_MS })
    await this.sweep(nowMs)
  }

  /** Puts the kept output at `path` (a hard link; a copy where links are not possible). False when it is not here. */
  async lend(key: string, path: string, sizeBytes: number): Promise<boolean> {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.sizeBytes !== sizeBytes) return false
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    try {
      await link(entry.path, path).catch(() => copyFile(entry.path, path))
      return true
    } catch {
      // Somebody emptied the folder: the download does it.
      await this.drop([key])
      return false
    }
  }

  async drop(keys: Iterable<string>): Promise<void> {
    for (const key of keys) {
      const entry = this.#entries.get(key)
      this.#entries.delete(key)
      if (entry !== undefined) await rm(entry.path, { force: true })
    }
  }

  /** Drops what is too old, and the least recently used of what is too much. */
  async sweep(nowMs: number): Promise<void> {
    let totalBytes = 0
    for (const entry of this.#entries.values()) totalBytes += entry.sizeBytes
    const over: string[] = []
    for (const [key, entry] of this.#entries) {
      if (nowMs < entry.untilMs && totalBytes <= this.#limitBytes) continue
      totalBytes -= entry.sizeBytes
      over.push(key)
    }
    await this.drop(over)
  }
}

interface Entry {
  readonly path: string
  readonly sizeBytes: number
  readonly untilMs: number
}

/** The next stage of a job follows at once or waits for a slot; recordings do not stay on a box longer than that. */
const KEPT_MS = 15 * 60_000
