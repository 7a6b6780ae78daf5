import { type FSWatcher, watch } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as passed } from 'node:timers/promises'
import { EnvHttpProxyAgent } from 'undici'
import type { AnnouncedModel } from '#protocol/engine.ts'
import type { CatalogModel } from '#protocol/model.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { type Log, sentenceOf } from '../log.ts'
import { ModelCatalog } from './catalog.ts'
import { Digests } from './digests.ts'
import { DiskSpace } from './disk-space.ts'
import { type HubTokenSource, readHubToken } from './hub-token.ts'
import { sizeOf } from './installed-model.ts'
import { withLock } from './lock.ts'
import { diskError, modelError } from './model-error.ts'
import { CHANGED, ModelFolders } from './model-folders.ts'
import { type PullProgress, type PullTools, pull } from './pull.ts'
import { PULLS_AT_ONCE, PULLS_WAITING, Pulls, type QueueProgress } from './pulls.ts'
import { PULL_BACKOFF } from './retry.ts'
import { SharedFiles } from './shared-files.ts'
import { type Resolved, Shelf } from './shelf.ts'
import { ModelStore } from './store.ts'
import { ModelUsage } from './usage.ts'

export interface ModelsOptions {
  /** Of the installation: `models/*.yaml` lie there, and bundled files relative to it. */
  readonly rootFolder: string
  readonly dataFolder: string
  /** What models may take on the disk; null: what there is. */
  readonly modelsLimitBytes: number | null
  readonly hub: HubTokenSource & { readonly endpoints: readonly string[] }
  readonly nowMs: () => number
  readonly random: () => number
  readonly log: Log
  readonly queue?: { readonly atOnce: number; readonly mayWait: number }
  readonly retry?: Partial<PullTools['retry']>
  readonly diskFreeBytes?: (folder: string) => Promise<number>
  readonly usesToldAfterMs?: number
}

/** What a pull may take changes with each task; nobody needs it to the second. */
const USES_TOLD_AFTER_MS = 10_000

export type PullListener = (progress: QueueProgress<PullProgress>) => void

/**
 * The models of this machine: what is known, what is here, what comes and goes. Who loads one calls `use` first and `resolve`
 * then: a model in use is neither evicted nor removed.
 */
export class Models {
  readonly #options: ModelsOptions
  /** Hubs may lie behind a proxy. */
  readonly #http = new EnvHttpProxyAgent()
  readonly #folders: ModelFolders
  readonly #catalog: ModelCatalog
  readonly #store: ModelStore
  readonly #usage: ModelUsage
  readonly #shelf: Shelf
  readonly #space: DiskSpace
  readonly #tools: PullTools
  readonly #pulls: Pulls<PullProgress>
  readonly #listeners = new Set<() => void>()
  #watcher: FSWatcher | null = null
  #diskFreeBytes: number | null = null
  #usesTold: NodeJS.Timeout | undefined
  #told = ''

  /** Reads catalogs and disk, checks what is here, and clears away what a crash left. What is not right is logged. */
  static async open(options: ModelsOptions): Promise<Models> {
    const folders = new ModelFolders(options.dataFolder)
    const catalog = await ModelCatalog.open(options.rootFolder, options.dataFolder, options.log)
    const store = await ModelStore.open(folders)
    const usage = await ModelUsage.open(folders, options.nowMs)
    const models = new Models(options, { folders, catalog, store, usage })
    await store.sweep(catalog.isWhole ? catalog.entries : null)
    await models.#changed()
    await models.#watch()
    return models
  }

  private constructor(
    options: ModelsOptions,
    parts: { folders: ModelFolders; catalog: ModelCatalog; store: ModelStore; usage: ModelUsage },
  ) {
    const { folders, store } = parts
    const digests = new Digests()
    this.#options = options
    this.#folders = folders
    this.#catalog = parts.catalog
    this.#store = store
    this.#usage = parts.usage
    this.#shelf = new Shelf({ ...parts, digests, log: options.log })
    this.#space = new DiskSpace({
      ...parts,
      limitBytes: options.modelsLimitBytes,
      evict: (modelId) => this.#evict(modelId),
      ...(options.diskFreeBytes !== undefined && { diskFreeBytes: options.diskFreeBytes }),
    })
    this.#pulls = new Pulls(options.queue ?? { atOnce: PULLS_AT_ONCE, mayWait: PULLS_WAITING })
    this.#tools = {
      folders,
      store,
      usage: parts.usage,
      digests,
      shared: new SharedFiles(store, digests),
      space: this.#space,
      endpoints: options.hub.endpoints,
      hub: {
        token: () => readHubToken(options.hub),
        dispatcher: this.#http,
        userAgent: `dalston/${packageJson.version}`,
      },
      retry: { limits: PULL_BACKOFF, random: options.random, sleep, ...options.retry },
      nowMs: options.nowMs,
    }
  }

  /** What the agent announces for one engine. */
  announced(engineId: string, loaded: ReadonlySet<string>): AnnouncedModel[] {
    return this.#shelf.announced(engineId, loaded, (modelId) => this.#usage.isPinned(modelId))
  }

  /** The folder of a model, its files proven. */
  async resolve(modelId: string): Promise<Resolved> {
    await this.#store.still(modelId)
    if (!this.#shelf.has(modelId)) await this.rescan()
    const resolved = await this.#shelf.resolve(modelId)
    if (!resolved.ok) this.#tell()
    return resolved
  }

  /** As `resolve` says it; null: its files are not here, or not right. */
  identityOf(modelId: string): string | null {
    return this.#shelf.identityOf(modelId)
  }

  /** From now until it is disposed the model stays on the disk. */
  use(modelId: string): Disposable {
    const use = this.#usage.use(modelId)
    this.#tellUses()
    return {
      [Symbol.dispose]: () => {
        use[Symbol.dispose]()
        this.#tellUses()
      },
    }
  }

  isPinned(modelId: string): boolean {
    return this.#usage.isPinned(modelId)
  }

  /** What a pull may take at most; null where the disk does not say. */
  get freeBytes(): number | null {
    return this.#diskFreeBytes === null ? null : this.#space.freeBytes(this.#diskFreeBytes)
  }

  /** Called after what is announced, or the free space, may have changed. */
  onChanged(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** The entry of a model, the catalog read anew when it is unknown. An entry that came with an order is kept. */
  async entryOf(name: string, ordered: CatalogModel | null = null): Promise<CatalogModel> {
    if (ordered !== null && ordered.id === name) await this.#catalog.keepOrdered(ordered)
    else if (this.#catalog.find(name) === null) await this.#catalog.reload()
    const entry = this.#catalog.find(name)
    if (entry !== null) return entry
    const message = `No catalog of this agent knows a model ${name}.`
    throw modelError('model_unknown', message, false)
  }

  /**
   * Brings a model here; at once when it is here and every byte is right. With `signal` this caller no longer wants it; what was
   * fetched stays. Throws `EngineError`, or why it was aborted.
   */
  async pull(entry: CatalogModel, listener: PullListener, signal: AbortSignal | null = null): Promise<void> {
    await this.rescan()
    if ((await this.resolve(entry.id)).ok) return
    signal?.throwIfAborted()
    const { source } = entry
    if (source.kind === 'bundled') {
      const message = `${entry.id} ships with the installation, and its files are not right there: install Dalston anew.`
      throw modelError('model_missing', message, false)
    }
    if (source.kind === 'folder') {
      const message = `${entry.id} cannot be pulled: bring its files with \`dalston models import ${entry.id} FOLDER\` on the machine of the agent.`
      throw modelError('model_needs_import', message, false)
    }
    const work = (ended: AbortSignal, onProgress: (progress: PullProgress) => void) =>
      withLock(this.#folders.lock(entry), entry.id, () =>
        pull({ entry, source, signal: ended, onProgress }, this.#tools),
      ).catch((error: unknown) => {
        throw diskError(error, this.#folders.root)
      })
    await this.#pulls.join(entry.id, work, listener, signal)
    await this.#changed()
    const resolved = await this.resolve(entry.id)
    if (!resolved.ok) throw modelError(resolved.error.code, resolved.error.message, resolved.error.retryable)
  }

  /** Takes it from the disk, and what was fetched of it. Throws `EngineError` when it is in use or pinned. */
  async remove(modelId: string): Promise<void> {
    const entry = this.#catalog.find(modelId)
    if (entry?.source.kind === 'bundled')
      throw modelError('model_bundled', `${modelId} ships with the installation and stays.`, false)
    if (this.#usage.isPinned(modelId)) throw pinned(modelId)
    await this.#pulls.cancel(modelId, modelError('model_removed', `${modelId} was removed meanwhile.`, true))
    if (!(await this.#evict(modelId)))
      throw this.#usage.isPinned(modelId)
        ? pinned(modelId)
        : modelError('model_in_use', `${modelId} is in use; try again when it is not.`, true)
    if (entry !== null) await rm(this.#folders.partial(entry), { recursive: true, force: true })
    await this.#changed()
  }

  /** A pinned model stays on the disk; the pin outlives the process, and may come before the model. */
  async setPinned(modelId: string, pinned: boolean): Promise<void> {
    if (await this.#usage.setPinned(modelId, pinned)) await this.#changed()
  }

  /** Looks at the disk anew. */
  async rescan(): Promise<void> {
    await this.#store.rescan()
    await this.#changed()
  }

  /** Ends what runs; what was fetched stays for the next start. */
  async stop(): Promise<void> {
    this.#watcher?.close()
    this.#listeners.clear()
    clearTimeout(this.#usesTold)
    await this.#pulls.cancelAll(modelError('agent_ended', 'The agent ended.', true))
    await this.#usage.idle()
    await this.#http.destroy()
  }

  /** False: it is in use, or pinned; also when that came while the removal waited for its turn. */
  async #evict(modelId: string): Promise<boolean> {
    const mayGo = () => !this.#usage.isInUse(modelId) && !this.#usage.isPinned(modelId)
    if (!mayGo()) return false
    const copies = this.#store.models.filter(({ installed }) => installed.model_id === modelId)
    this.#shelf.drop(modelId)
    if (!(await this.#store.remove(modelId, mayGo))) {
      await this.#shelf.refresh()
      return false
    }
    this.#usage.forget(modelId)
    for (const { installed } of copies)
      this.#options.log('model.evicted', { model_id: modelId, size_bytes: sizeOf(installed) })
    if (copies.length > 0) this.#tell()
    return true
  }

  async #changed(): Promise<void> {
    await this.#shelf.refresh()
    this.#diskFreeBytes = await this.#space.diskFreeBytes()
    this.#tell()
  }

  /** Not when nothing changed: each announcement is read by the registry. */
  #tell(): void {
    const told = `${this.#space.evictableBytes} ${this.#shelf.signature((modelId) => this.#usage.isPinned(modelId))}`
    if (told === this.#told) return
    this.#told = told
    for (const listener of this.#listeners) listener()
  }

  /** Tasks follow each other quickly: what they use is told together. */
  #tellUses(): void {
    this.#usesTold ??= setTimeout(() => {
      this.#usesTold = undefined
      this.#tell()
    }, this.#options.usesToldAfterMs ?? USES_TOLD_AFTER_MS).unref()
  }

  /** An import on this machine writes a mark when it is done. Where nothing can be watched, a pull finds it. */
  async #watch(): Promise<void> {
    try {
      await mkdir(this.#folders.root, { recursive: true, mode: 0o700 })
      this.#watcher = watch(this.#folders.root, { persistent: false }, (_event, name) => {
        if (name === CHANGED) this.rescan().catch(() => {})
      })
      this.#watcher.on('error', () => this.#watcher?.close())
    } catch (error) {
      this.#options.log('model.unwatched', { path: join(this.#folders.root), message: sentenceOf(error) })
    }
  }
}

function pinned(modelId: string) {
  return modelError('model_pinned', `${modelId} is pinned: unpin it first.`, false)
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return passed(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}
