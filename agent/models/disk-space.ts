import { mkdir, readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { sizeOf } from './installed-model.ts'
import { diskError, modelError } from './model-error.ts'
import type { ModelFolders } from './model-folders.ts'
import { availableOf, type Candidate, DISK_RESERVE_BYTES, planSpace } from './space.ts'
import type { ModelStore } from './store.ts'
import type { ModelUsage } from './usage.ts'

export interface DiskSpaceOptions {
  readonly folders: ModelFolders
  readonly store: ModelStore
  readonly usage: ModelUsage
  readonly limitBytes: number | null
  /** False when the model came into use meanwhile. */
  readonly evict: (modelId: string) => Promise<boolean>
  /** What the file system has free; asks it where not given. */
  readonly diskFreeBytes?: (folder: string) => Promise<number>
}

/** Room that a download holds until it is over. */
export interface Reservation extends Disposable {
  /** So much of it is on the disk by now. */
  wrote(bytes: number): void
  /** It is so much larger than was known. Evicts what must go. Throws `EngineError`. */
  grow(bytes: number): Promise<void>
}

/** Makes room before a download begins, and keeps it: two downloads never count on the same bytes. */
export class DiskSpace {
  readonly #options: DiskSpaceOptions
  readonly #held = new Set<{ bytes: number; writtenBytes: number }>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: DiskSpaceOptions) {
    this.#options = options
  }

  /** Evicts what must go. `heldBytes` of the download lie on the disk already. Throws `EngineError`. */
  reserve(what: string, sizeBytes: number, heldBytes: number): Promise<Reservation> {
    return this.#after(async () => {
      await this.#makeRoom(what, Math.max(0, sizeBytes - heldBytes))
      const held = { bytes: sizeBytes, writtenBytes: heldBytes }
      this.#held.add(held)
      return {
        wrote: (bytes) => {
          held.writtenBytes = Math.min(held.bytes, bytes)
        },
        grow: (bytes) =>
          this.#after(async () => {
            await this.#makeRoom(what, bytes)
            held.bytes += bytes
          }),
        [Symbol.dispose]: () => void this.#held.delete(held),
      }
    })
  }

  /** What the file system has free. Null: it does not say. */
  diskFreeBytes(): Promise<number | null> {
    return this.#diskFree().catch(() => null)
  }

  /** What a pull may take at most: what is free, and what models have that are neither pinned nor in use. */
  freeBytes(diskFreeBytes: number): number {
    return Math.max(0, availableOf({ ...this.#taken(), diskFreeBytes }) + this.evictableBytes)
  }

  get evictableBytes(): number {
    return this.#candidates().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  async #makeRoom(what: string, needBytes: number): Promise<void> {
    for (;;) {
      const diskFreeBytes = await this.#diskFree()
      const plan = planSpace({ needBytes, diskFreeBytes, ...this.#taken(), candidates: this.#candidates() })
      if (!plan.ok) throw this.#noSpace(what, needBytes, plan.mostBytes, diskFreeBytes)
      if (await inOrder(plan.evict, this.#options.evict)) return
    }
  }

  #after<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }

  #taken() {
    const held = [...this.#held]
    const installedBytes = this.#options.store.models.reduce(
      (sum, { installed }) => sum + sizeOf(installed),
      0,
    )
    return {
      limitBytes: this.#options.limitBytes,
      usedBytes: installedBytes + held.reduce((sum, one) => sum + one.bytes, 0),
      promisedBytes: held.reduce((sum, one) => sum + one.bytes - one.writtenBytes, 0),
    }
  }

  #candidates(): Candidate[] {
    const { store, usage } = this.#options
    return store.models
      .filter(({ installed: { model_id } }) => !usage.isPinned(model_id) && !usage.isInUse(model_id))
      .map(({ installed }) => ({
        modelId: installed.model_id,
        sizeBytes: sizeOf(installed),
        lastUsedMs: usage.lastUsedMs(installed.model_id) ?? installed.installed_at_ms,
      }))
  }

  async #diskFree(): Promise<number> {
    const { root } = this.#options.folders
    if (this.#options.diskFreeBytes !== undefined) return this.#options.diskFreeBytes(root)
    try {
      await mkdir(root, { recursive: true, mode: 0o700 })
    } catch (error) {
      throw diskError(error, root)
    }
    const { bavail, bsize } = await statfs(root)
    return bavail * bsize
  }

  #noSpace(what: string, needBytes: number, mostBytes: number, diskFreeBytes: number) {
    const { limitBytes, folders } = this.#options
    const { usedBytes, promisedBytes } = this.#taken()
    const onDiskBytes = diskFreeBytes - DISK_RESERVE_BYTES - promisedBytes
    const why =
      limitBytes !== null && limitBytes - usedBytes <= onDiskBytes
        ? `models take ${mib(usedBytes)} of the ${mib(limitBytes)} that they may (--models-limit-gib).`
        : `the disk has ${mib(diskFreeBytes)}, of which ${mib(DISK_RESERVE_BYTES)} stay free.`
    const message = `${what} needs ${mib(needBytes)} in ${folders.root}, and at most ${mib(mostBytes)} can be made free: ${why} Models that are pinned or in use stay.`
    return modelError('disk_full', message, true)
  }
}

/** The bytes of all files below a folder. */
export async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => [])
  const sizes = await Promise.all(
    names.map(async (name) => {
      const stats = await stat(join(folder, name)).catch(() => null)
      return stats?.isFile() ? stats.size : 0
    }),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

async function inOrder(ids: readonly string[], evict: (id: string) => Promise<boolean>): Promise<boolean> {
  for (const id of ids) if (!(await evict(id))) return false
  return true
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MiB`
}
