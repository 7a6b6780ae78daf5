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
  #moves: { readonly modelId: string; readonly done: Promise<unknown> } | null = null

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

  /**
   * The switch: `filesFolder`, whole and proven, becomes the model. What was there before goes. Null: `mayMove`, asked in
   * the moment of the switch, says that it must stay as it is.
   */
  install(
    filesFolder: string,
    installed: InstalledModel,
    mayMove: () => boolean = () => true,
  ): Promise<StoredModel | null> {
    return this.#after(() => this.#install(filesFolder, installed, mayMove))
  }

  async #install(
    filesFolder: string,
    installed: InstalledModel,
    mayMove: () => boolean,
  ): Promise<StoredModel | null> {
    await writeInstalled(filesFolder, installed)
    const folder = this.#folders.model(installed.engine, installed.model_id)
    const stored = { folder, installed }
    await mkdir(dirname(folder), { recursive: true, mode: 0o700 })
    if (!mayMove()) return null
    const before = await this.#moving(installed.model_id, async () => {
      const aside = await this.#putAside(folder, installed.engine)
      await rename(filesFolder, folder)
      this.#models = new Map(this.#models).set(folder, stored)
      return aside
    })
    await rm(before, { recursive: true, force: true })
    return stored
  }

  /** Every copy of the model; false: `mayMove`, asked in the moment before, says that it must stay. */
  remove(modelId: string, mayMove: () => boolean): Promise<boolean> {
    return this.#after(() => this.#remove(modelId, mayMove))
  }

  async #remove(modelId: string, mayMove: () => boolean): Promise<boolean> {
    if (!mayMove()) return false
    const copies = this.models.filter(({ installed }) => installed.model_id === modelId)
    this.#models = new Map([...this.#models].filter(([, stored]) => !copies.includes(stored)))
    const gone = await this.#moving(modelId, () =>
      Promise.all(copies.map(({ folder, installed }) => this.#putAside(folder, installed.engine))),
    )
    for (const aside of gone) await rm(aside, { recursive: true, force: true })
    return true
  }

  /** Resolves when the model does not move just now. Who said before that it must stay finds it as it stays. */
  async still(modelId: string): Promise<void> {
    if (this.#moves?.modelId === modelId) await this.#moves.done
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

  async #moving<T>(modelId: string, work: () => Promise<T>): Promise<T> {
    const moved = work()
    this.#moves = { modelId, done: moved.catch(() => {}) }
    try {
      return await moved
    } finally {
      this.#moves = null
    }
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
