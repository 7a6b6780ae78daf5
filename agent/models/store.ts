import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CatalogModel } from '#protocol/model.ts'
import { type InstalledModel, readInstalled, writeInstalled } from './installed-model.ts'
import { withLock } from './lock.ts'
import { CATALOG, DRAFTS, LOCKS, type ModelFolders, PARTIAL, TRASH } from './model-folders.ts'

export interface StoredModel {
  readonly folder: string
  readonly installed: InstalledModel
}

/**
 * What is installed on this machine. A model is there when its folder has an `installed.json`; it comes and goes by one
 * rename, so that no crash leaves half of one.
 */
export class ModelStore {
  readonly #folders: ModelFolders
  /** By folder: an entry that moved to another engine leaves the old files behind. */
  #models: ReadonlyMap<string, StoredModel> = new Map()
  /** One change at a time: a look at the disk that began before a change does not undo it. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(folders: ModelFolders) {
    this.#folders = folders
  }

  static async open(folders: ModelFolders): Promise<ModelStore> {
    const store = new ModelStore(folders)
    await store.rescan()
    return store
  }

  get models(): readonly StoredModel[] {
    return [...this.#models.values()]
  }

  find(entry: CatalogModel): StoredModel | null {
    return this.#models.get(this.#folders.of(entry)) ?? null
  }

  /** Looks at the disk anew: another process may have installed or removed a model. */
  rescan(): Promise<void> {
    return this.#after(() => this.#rescan())
  }

  async #rescan(): Promise<void> {
    const found = new Map<string, StoredModel>()
    for (const engineId of await names(this.#folders.root)) {
      if (engineId === CATALOG) continue
      for (const modelId of await names(join(this.#folders.root, engineId))) {
        const folder = this.#folders.model(engineId, modelId)
        const installed = await readInstalled(folder)
        if (installed !== null && installed.model_id === modelId) found.set(folder, { folder, installed })
      }
    }
    this.#models = found
  }

  /** The switch: `filesFolder`, whole and proven, becomes the model. What was there before goes. */
  install(filesFolder: string, installed: InstalledModel): Promise<StoredModel> {
    return this.#after(() => this.#install(filesFolder, installed))
  }

  async #install(filesFolder: string, installed: InstalledModel): Promise<StoredModel> {
    await writeInstalled(filesFolder, installed)
    const folder = this.#folders.model(installed.engine, installed.model_id)
    await mkdir(dirname(folder), { recursive: true, mode: 0o700 })
    const before = await this.#putAside(folder, installed.engine)
    await rename(filesFolder, folder)
    const stored = { folder, installed }
    this.#models = new Map(this.#models).set(folder, stored)
    await rm(before, { recursive: true, force: true })
    return stored
  }

  /** Every copy of the model. */
  remove(modelId: string): Promise<void> {
    return this.#after(() => this.#remove(modelId))
  }

  async #remove(modelId: string): Promise<void> {
    const copies = this.models.filter(({ installed }) => installed.model_id === modelId)
    this.#models = new Map([...this.#models].filter(([, stored]) => !copies.includes(stored)))
    for (const { folder, installed } of copies) {
      const aside = await this.#putAside(folder, installed.engine)
      await rm(aside, { recursive: true, force: true })
    }
  }

  /** Works while no model comes, moves or goes. */
  whileStill<T>(work: () => Promise<T>): Promise<T> {
    return this.#after(work)
  }

  /** What a crash left of removals, of imports, and of downloads whose entry is gone; `null`: nobody can say which are. */
  async sweep(entries: readonly CatalogModel[] | null): Promise<void> {
    for (const engineId of await names(this.#folders.root)) {
      const partials = this.#folders.partials(engineId)
      await rm(join(partials, TRASH), { recursive: true, force: true })
      for (const name of await names(join(partials, DRAFTS))) {
        const remove = () => rm(join(partials, DRAFTS, name), { recursive: true, force: true })
        // Busy: an import that runs now.
        await withLock(join(partials, LOCKS, name), name, remove).catch(() => {})
      }
      if (entries === null) continue
      const known = new Set(entries.map((entry) => this.#folders.partial(entry)))
      for (const name of await names(partials)) {
        const folder = join(partials, name)
        if (!known.has(folder)) await rm(folder, { recursive: true, force: true })
      }
    }
  }

  #after<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    // The caller hears of a failure; the next one in line goes on all the same.
    this.#last = done.catch(() => {})
    return done
  }

  /** Out of sight by a rename, because to delete gigabytes takes time and may be cut short. */
  async #putAside(folder: string, engineId: string): Promise<string> {
    const trash = join(this.#folders.partials(engineId), TRASH)
    await mkdir(trash, { recursive: true, mode: 0o700 })
    const aside = join(trash, randomUUID())
    await rename(folder, aside).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    return aside
  }
}

/** The folders in it whose names are ids; none where there is no such folder. */
async function names(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw error
  })
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== PARTIAL)
    .map((entry) => entry.name)
}
