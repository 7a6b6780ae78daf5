import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { stringify } from 'yaml'
import type { CatalogModel } from '#protocol/model.ts'
import { type Log, sentenceOf } from '../log.ts'
import { readEntry } from './catalog-entry.ts'
import { modelError } from './model-error.ts'

/** The end of the name of an entry that the server sent with an order. */
const ORDERED = '.ordered.yaml'

/**
 * What this agent knows of models: `models/*.yaml` of the installation, the owner's `<data>/models/catalog/*.yaml`, and
 * entries that came with an order, which are stored beside these. The owner's word counts most, the server's least. A bad
 * file is one line in the log and costs only itself.
 */
export class ModelCatalog {
  readonly #rootFolder: string
  readonly #ownFolder: string
  readonly #log: Log
  #entries: ReadonlyMap<string, CatalogModel> = new Map()
  /** By path, as they were logged: a file that is still bad is not told again. */
  #faults = new Map<string, string>()

  private constructor(rootFolder: string, dataFolder: string, log: Log) {
    this.#rootFolder = rootFolder
    this.#ownFolder = join(dataFolder, 'models', 'catalog')
    this.#log = log
  }

  static async open(rootFolder: string, dataFolder: string, log: Log): Promise<ModelCatalog> {
    const catalog = new ModelCatalog(rootFolder, dataFolder, log)
    await catalog.reload()
    return catalog
  }

  get entries(): readonly CatalogModel[] {
    return [...this.#entries.values()]
  }

  /** False: a file could not be read, so that an unknown model may be one of it. */
  get isWhole(): boolean {
    return this.#faults.size === 0
  }

  /** By id, else by alias. */
  find(name: string): CatalogModel | null {
    const entry = this.#entries.get(name)
    return entry ?? this.entries.find(({ aliases }) => aliases.some((alias) => alias === name)) ?? null
  }

  /** Where the files of a bundled model lie; null for the others. */
  bundledFolder(entry: CatalogModel): string | null {
    return entry.source.kind === 'bundled' ? within(this.#rootFolder, entry.source.path) : null
  }

  /** Reads all files anew. */
  async reload(): Promise<void> {
    const own = await yamlFiles(this.#ownFolder)
    const paths = [
      ...own.filter((path) => path.endsWith(ORDERED)),
      ...(await yamlFiles(join(this.#rootFolder, 'models'))),
      ...own.filter((path) => !path.endsWith(ORDERED)),
    ]
    const entries = new Map<string, CatalogModel>()
    const faults = new Map<string, string>()
    for (const path of paths) {
      const read = await this.#read(path)
      if (read.ok) entries.set(read.entry.id, read.entry)
      else {
        faults.set(path, read.message)
        if (this.#faults.get(path) !== read.message)
          this.#log('model.unreadable', { path, message: read.message })
      }
    }
    this.#entries = entries
    this.#faults = faults
  }

  /** Keeps an entry that came with an order. This machine's own files go before it. Throws `EngineError`. */
  async keepOrdered(entry: CatalogModel): Promise<void> {
    const text = stringify(entry)
    const read = readEntry(text)
    if (!read.ok) throw modelError('model_entry_invalid', `The entry of ${entry.id}: ${read.message}.`, false)
    this.bundledFolder(entry)
    await mkdir(this.#ownFolder, { recursive: true, mode: 0o700 })
    const path = join(this.#ownFolder, `${entry.id}${ORDERED}`)
    await writeFile(`${path}.new`, text, { mode: 0o600 })
    await rename(`${path}.new`, path)
    await this.reload()
  }

  async #read(path: string): Promise<ReturnType<typeof readEntry>> {
    try {
      const read = readEntry(await readFile(path, 'utf8'))
      if (read.ok) this.bundledFolder(read.entry)
      return read
    } catch (error) {
      return { ok: false, message: sentenceOf(error) }
    }
  }
}

async function yamlFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => join(folder, name))
}

/** Throws when `path` leaves `folder`: a catalog names files of its own installation only. */
function within(folder: string, path: string): string {
  const whole = resolve(folder, path)
  if (whole !== resolve(folder) && !whole.startsWith(resolve(folder) + sep))
    throw new Error(`source.path: expected a path inside ${folder}, got ${path}`)
  return whole
}
