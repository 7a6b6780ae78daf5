import { join } from 'node:path'
import type { AnnouncedModel } from '#protocol/engine.ts'
import type { CatalogModel } from '#protocol/model.ts'
import type { TaskError } from '#protocol/task.ts'
import type { Log } from '../log.ts'
import type { ModelCatalog } from './catalog.ts'
import type { Digests, ExpectedFile, FileFault } from './digests.ts'
import { differenceFrom } from './installed-model.ts'
import type { ModelStore } from './store.ts'

/** A model whose files lie on this machine. */
export interface ModelFolder {
  readonly catalog: CatalogModel
  /** Absolute. */
  readonly folder: string
  /** Of its files and of what an engine is told of it: two of one identity load to the same. */
  readonly identity: string
}

export type Resolved =
  | { readonly ok: true; readonly model: ModelFolder }
  | { readonly ok: false; readonly error: TaskError }

interface ReadyModel extends ModelFolder {
  readonly files: readonly (ExpectedFile & { readonly name: string })[]
}

/**
 * What can be served now: bundled models, and what is installed of the catalog. Bundled files are read whole before they are
 * announced; installed ones were proven when they came, so that here their sizes are looked at. Both are read whole again
 * before their first load in this process, and whenever size or time of a file changed.
 */
export class Shelf {
  readonly #catalog: ModelCatalog
  readonly #store: ModelStore
  readonly #digests: Digests
  readonly #log: Log
  #ready: ReadonlyMap<string, ReadyModel> = new Map()
  #last: Promise<void> = Promise.resolve()
  /** By model id, as they were logged. */
  readonly #faults = new Map<string, string>()

  constructor(parts: {
    readonly catalog: ModelCatalog
    readonly store: ModelStore
    readonly digests: Digests
    readonly log: Log
  }) {
    this.#catalog = parts.catalog
    this.#store = parts.store
    this.#digests = parts.digests
    this.#log = parts.log
  }

  has(modelId: string): boolean {
    return this.#ready.has(modelId)
  }

  /** What the agent announces for one engine. */
  announced(
    engineId: string,
    loaded: ReadonlySet<string>,
    isPinned: (modelId: string) => boolean,
  ): AnnouncedModel[] {
    return [...this.#ready.values()]
      .filter(({ catalog }) => catalog.engine === engineId)
      .map(({ catalog, files }) => ({
        id: catalog.id,
        runtime_model_id: catalog.runtime_model_id,
        languages: catalog.languages,
        word_timestamps: catalog.capabilities.word_timestamps,
        diarization: catalog.capabilities.diarization,
        translation: catalog.capabilities.translation,
        memory_mib: catalog.hardware.min_ram_mb,
        size_bytes: files.reduce((sum, file) => sum + (file.sizeBytes ?? 0), 0),
        embedded: catalog.embedded,
        preferred: catalog.preferred,
        pinned: isPinned(catalog.id),
        loaded: loaded.has(catalog.id),
      }))
  }

  identityOf(modelId: string): string | null {
    return this.#ready.get(modelId)?.identity ?? null
  }

  /** Two equal ones announce the same. */
  signature(isPinned: (modelId: string) => boolean): string {
    const models = [...this.#ready.values()]
    return JSON.stringify(models.map(({ catalog, files }) => [catalog, files, isPinned(catalog.id)]))
  }

  /** The folder of a model, its files proven. */
  async resolve(modelId: string): Promise<Resolved> {
    const model = this.#ready.get(modelId)
    if (model === undefined) {
      const message = `The model ${modelId} is not on this machine.`
      return { ok: false, error: { code: 'model_missing', message, retryable: true } }
    }
    const fault = await faultOf(model, (file) => this.#digests.fault(file))
    const { catalog, folder, identity } = model
    if (fault === null) return { ok: true, model: { catalog, folder, identity } }
    await this.refresh()
    return { ok: false, error: { ...fault, message: `${modelId}: ${fault.message}`, retryable: true } }
  }

  /** From now on it is not there, before its files go. */
  drop(modelId: string): void {
    this.#ready = new Map([...this.#ready].filter(([id]) => id !== modelId))
  }

  /** Looks at all models anew. What is not right is logged once and left out. */
  refresh(): Promise<void> {
    this.#last = this.#last.then(() => this.#refresh())
    return this.#last
  }

  async #refresh(): Promise<void> {
    const ready = new Map<string, ReadyModel>()
    for (const entry of this.#catalog.entries) {
      const model = this.#modelOf(entry)
      if (model === null) continue
      const fault =
        'code' in model
          ? model
          : await faultOf(model, (file) =>
              entry.source.kind === 'bundled' ? this.#digests.fault(file) : this.#digests.knownFault(file),
            )
      if (fault !== null) this.#tell(entry.id, fault)
      else if (!('code' in model)) {
        this.#faults.delete(entry.id)
        ready.set(entry.id, model)
      }
    }
    // A model may have gone while others were looked at.
    this.#ready = new Map(
      [...ready].filter(([, { catalog }]) => catalog.source.kind === 'bundled' || this.#store.find(catalog)),
    )
  }

  #modelOf(entry: CatalogModel): ReadyModel | Fault | null {
    const bundled = this.#catalog.bundledFolder(entry)
    if (bundled !== null) {
      const files = entry.files.map((file) => ({
        name: file.path,
        path: join(bundled, file.path),
        sizeBytes: file.size_bytes,
        sha256: file.sha256,
      }))
      return readyModel(entry, bundled, files)
    }
    const stored = this.#store.find(entry)
    if (stored === null) return null
    const message = differenceFrom(entry, stored.installed)
    if (message !== null) return { code: 'model_outdated', message }
    const files = stored.installed.files.map((file) => ({
      name: file.path,
      path: join(stored.folder, file.path),
      sizeBytes: file.size_bytes,
      sha256: file.sha256,
    }))
    return readyModel(entry, stored.folder, files)
  }

  #tell(modelId: string, fault: Fault): void {
    if (this.#faults.get(modelId) === fault.message) return
    this.#faults.set(modelId, fault.message)
    this.#log(`model.${fault.code.slice('model_'.length)}`, {
      model_id: modelId,
      message: `${modelId}: ${fault.message}`,
    })
  }
}

interface Fault {
  readonly code: FileFault['code'] | 'model_outdated'
  readonly message: string
}

function readyModel(catalog: CatalogModel, folder: string, files: ReadyModel['files']): ReadyModel {
  const identity = JSON.stringify([
    catalog.engine,
    catalog.runtime_model_id,
    folder,
    ...files.map(({ name, sha256 }) => [name, sha256]),
  ])
  return { catalog, folder, identity, files }
}

async function faultOf(
  model: ReadyModel,
  look: (file: ExpectedFile) => Promise<FileFault | null>,
): Promise<Fault | null> {
  for (const file of model.files) {
    const fault = await look(file)
    if (fault !== null) return { code: fault.code, message: `${file.name}: ${fault.message}` }
  }
  return null
}
