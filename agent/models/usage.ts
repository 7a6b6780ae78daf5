import { join } from 'node:path'
import { z } from 'zod'
import { readDurable, writeDurably } from './durable-file.ts'
import type { ModelFolders } from './model-folders.ts'

const Pins = z.strictObject({ pinned: z.array(z.string()) })
const LastUses = z.strictObject({ last_used_ms: z.record(z.string(), z.int().min(0)) })

/**
 * Who uses which model, and which ones stay. Pins and the times of last use outlive the process (`pins.json` and
 * `last-used.json` in the models folder); uses in progress are of this process alone.
 */
export class ModelUsage {
  readonly #folders: ModelFolders
  readonly #nowMs: () => number
  readonly #pins: Set<string>
  readonly #lastUsedMs: Map<string, number>
  readonly #uses = new Map<string, number>()
  readonly #ends = new Map<string, PromiseWithResolvers<void>>()
  #writing: Promise<void> | null = null
  #isDirty = false

  private constructor(
    folders: ModelFolders,
    nowMs: () => number,
    pins: Set<string>,
    lastUsedMs: Map<string, number>,
  ) {
    this.#folders = folders
    this.#nowMs = nowMs
    this.#pins = pins
    this.#lastUsedMs = lastUsedMs
  }

  static async open(folders: ModelFolders, nowMs: () => number): Promise<ModelUsage> {
    const pins = await readDurable(join(folders.root, PINS), Pins)
    const uses = await readDurable(join(folders.root, LAST_USED), LastUses)
    const lastUsedMs = new Map(Object.entries(uses?.last_used_ms ?? {}))
    return new ModelUsage(folders, nowMs, new Set(pins?.pinned), lastUsedMs)
  }

  /** In use until it is disposed; several may use one model. */
  use(modelId: string): Disposable {
    this.#uses.set(modelId, (this.#uses.get(modelId) ?? 0) + 1)
    this.#touch(modelId)
    let over = false
    return {
      [Symbol.dispose]: () => {
        if (over) return
        over = true
        const rest = (this.#uses.get(modelId) ?? 1) - 1
        if (rest === 0) this.#end(modelId)
        else this.#uses.set(modelId, rest)
        this.#touch(modelId)
      },
    }
  }

  isInUse(modelId: string): boolean {
    return this.#uses.has(modelId)
  }

  /** Resolves when nobody uses it; somebody may again in the next moment. */
  async unused(modelId: string): Promise<void> {
    if (!this.isInUse(modelId)) return
    const end = this.#ends.get(modelId) ?? Promise.withResolvers<void>()
    this.#ends.set(modelId, end)
    await end.promise
  }

  /** Null: it was never used. */
  lastUsedMs(modelId: string): number | null {
    return this.#lastUsedMs.get(modelId) ?? null
  }

  isPinned(modelId: string): boolean {
    return this.#pins.has(modelId)
  }

  /** False when nothing changed. */
  async setPinned(modelId: string, pinned: boolean): Promise<boolean> {
    if (this.#pins.has(modelId) === pinned) return false
    if (pinned) this.#pins.add(modelId)
    else this.#pins.delete(modelId)
    await writeDurably(join(this.#folders.root, PINS), { pinned: [...this.#pins].sort() })
    return true
  }

  forget(modelId: string): void {
    if (this.#lastUsedMs.delete(modelId)) this.#write()
  }

  /** Resolves when the times are on disk. */
  async idle(): Promise<void> {
    await this.#writing
  }

  #end(modelId: string): void {
    this.#uses.delete(modelId)
    this.#ends.get(modelId)?.resolve()
    this.#ends.delete(modelId)
  }

  #touch(modelId: string): void {
    this.#lastUsedMs.set(modelId, Math.round(this.#nowMs()))
    this.#write()
  }

  /** One write at a time, and one for all that changed during it. A disk that takes none costs an order of eviction. */
  #write(): void {
    this.#isDirty = true
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = null
    })
  }

  async #writeAll(): Promise<void> {
    while (this.#isDirty) {
      this.#isDirty = false
      const last_used_ms = Object.fromEntries(this.#lastUsedMs)
      await writeDurably(join(this.#folders.root, LAST_USED), { last_used_ms }).catch(() => {})
    }
  }
}

const PINS = 'pins.json'
const LAST_USED = 'last-used.json'
