import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { parse } from 'yaml'
import type { AnnouncedModel } from '#protocol/engine.ts'
import { CatalogModel } from '#protocol/model.ts'
import type { TaskError } from '#protocol/task.ts'
import { type Log, sentenceOf } from './log.ts'

/**
 * The models whose files lie on this machine: `models/*.yaml` of the kind `bundled`. Each is checked against its sizes
 * and sha256 sums before it is announced; one wrong byte and it is not. A file that changes later is checked again.
 */
export interface ModelFolder {
  readonly catalog: CatalogModel
  /** Absolute. */
  readonly folder: string
}

export type Resolved =
  | { readonly ok: true; readonly model: ModelFolder }
  | { readonly ok: false; readonly error: TaskError }

export class Models {
  readonly #models: Map<string, ModelFolder>
  /** Good files by path, with the size and time that they were checked at. */
  readonly #checked = new Map<string, string>()

  private constructor(models: readonly ModelFolder[]) {
    this.#models = new Map(models.map((model) => [model.catalog.id, model]))
  }

  /** Reads the catalog and checks every file. What is not right is logged and left out. */
  static async open(rootFolder: string, log: Log): Promise<Models> {
    const found: ModelFolder[] = []
    for (const path of await catalogFiles(join(rootFolder, 'models'))) {
      try {
        const catalog = CatalogModel.parse(parse(await readFile(path, 'utf8')))
        if (catalog.source.kind === 'bundled')
          found.push({ catalog, folder: within(rootFolder, catalog.source.path) })
      } catch (error) {
        log('model.unreadable', { path, message: sentenceOf(error) })
      }
    }
    const models = new Models(found)
    for (const model of found) {
      const error = await models.#fault(model)
      if (error === null) continue
      models.#models.delete(model.catalog.id)
      log(`model.${error.code.slice('model_'.length)}`, {
        model_id: model.catalog.id,
        message: error.message,
      })
    }
    return models
  }

  /** What the agent announces for one engine. */
  announced(engineId: string, loaded: ReadonlySet<string>): AnnouncedModel[] {
    return [...this.#models.values()]
      .filter(({ catalog }) => catalog.engine === engineId)
      .map(({ catalog }) => ({
        id: catalog.id,
        runtime_model_id: catalog.runtime_model_id,
        languages: catalog.languages,
        word_timestamps: catalog.capabilities.word_timestamps,
        diarization: catalog.capabilities.diarization,
        translation: catalog.capabilities.translation,
        memory_mib: catalog.hardware.min_ram_mb,
        size_bytes: catalog.files.reduce((sum, file) => sum + (file.size_bytes ?? 0), 0),
        embedded: catalog.embedded,
        preferred: catalog.preferred,
        pinned: false,
        loaded: loaded.has(catalog.id),
      }))
  }

  /** The folder of a model, its files proven. */
  async resolve(modelId: string): Promise<Resolved> {
    const model = this.#models.get(modelId)
    if (model === undefined) {
      const message = `The model ${modelId} is not on this machine.`
      return { ok: false, error: { code: 'model_missing', message, retryable: true } }
    }
    const error = await this.#fault(model)
    return error === null ? { ok: true, model } : { ok: false, error }
  }

  async #fault(model: ModelFolder): Promise<TaskError | null> {
    for (const file of model.catalog.files) {
      const path = within(model.folder, file.path)
      const fault = await this.#fileFault(path, file)
      if (fault !== null)
        return { ...fault, message: `${model.catalog.id}: ${file.path}: ${fault.message}`, retryable: true }
    }
    return null
  }

  async #fileFault(
    path: string,
    file: CatalogModel['files'][number],
  ): Promise<Omit<TaskError, 'retryable'> | null> {
    const stats = await stat(path).catch(() => null)
    if (stats === null) return { code: 'model_missing', message: 'the file is not there' }
    if (stats.size !== file.size_bytes)
      return { code: 'model_corrupt', message: `expected ${file.size_bytes} bytes, found ${stats.size}` }
    const mark = `${stats.size} ${stats.mtimeMs}`
    if (this.#checked.get(path) === mark) return null
    const sha256 = await sha256Of(path)
    if (sha256 !== file.sha256)
      return { code: 'model_corrupt', message: `expected sha256 ${file.sha256}, found ${sha256}` }
    this.#checked.set(path, mark)
    return null
  }
}

async function catalogFiles(folder: string): Promise<string[]> {
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
    throw new Error(`expected a path inside ${folder}, got ${path}`)
  return whole
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
}
