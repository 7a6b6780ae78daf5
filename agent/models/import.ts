import { constants } from 'node:fs'
import { copyFile, link, mkdir, realpath, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CatalogModel, ModelFile } from '#protocol/model.ts'
import { ModelCatalog } from './catalog.ts'
import { Digests } from './digests.ts'
import { writeDurably } from './durable-file.ts'
import type { InstalledFile } from './installed-model.ts'
import { withLock } from './lock.ts'
import { diskError, modelError } from './model-error.ts'
import { CHANGED, ModelFolders } from './model-folders.ts'
import { ModelStore } from './store.ts'

export interface ImportOrder {
  /** Of the installation. */
  readonly rootFolder: string
  /** Of the agent that is to have the model; it may be running. */
  readonly dataFolder: string
  /** An id or an alias. */
  readonly model: string
  /** Holds the files, at their paths of the model or of its source. */
  readonly folder: string
  readonly nowMs: number
}

/**
 * Installs a model from files that somebody brought: checked like a download, and as whole as one. A running agent of the
 * same data folder announces it at once. Throws `EngineError`.
 */
export async function importFolder(order: ImportOrder): Promise<CatalogModel> {
  const catalog = await ModelCatalog.open(order.rootFolder, order.dataFolder, () => {})
  const entry = catalog.find(order.model)
  if (entry === null)
    throw modelError('model_unknown', `No catalog of this machine knows a model ${order.model}.`, false)
  if (entry.source.kind === 'bundled')
    throw modelError('model_bundled', `${entry.id} ships with the installation: nothing to import.`, false)
  const folders = new ModelFolders(order.dataFolder)
  try {
    await withLock(folders.lock(entry), entry.id, () => importInto(folders, entry, order))
    await writeDurably(join(folders.root, CHANGED), { at_ms: order.nowMs })
  } catch (error) {
    throw diskError(error, folders.root)
  }
  return entry
}

async function importInto(folders: ModelFolders, entry: CatalogModel, order: ImportOrder): Promise<void> {
  const store = await ModelStore.open(folders)
  const draft = folders.draft(entry)
  try {
    await rm(draft, { recursive: true, force: true })
    const files: InstalledFile[] = []
    for (const file of entry.files) files.push(await bring(file, order.folder, join(draft, file.path)))
    await store.install(draft, {
      model_id: entry.id,
      engine: entry.engine,
      revision: entry.source.kind === 'hub' && entry.verified ? entry.source.revision : null,
      installed_at_ms: Math.round(order.nowMs),
      files,
    })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

async function bring(file: ModelFile, folder: string, target: string): Promise<InstalledFile> {
  const source = await placeOf(file, folder)
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  await copyCheaply(source, target)
  const { size } = await stat(target)
  if (file.size_bytes !== null && size !== file.size_bytes)
    throw modelError(
      'model_size_mismatch',
      `${source}: expected ${file.size_bytes} bytes, it has ${size}.`,
      false,
    )
  const sha256 = await new Digests().sha256Of(target)
  if (file.sha256 !== null && sha256 !== file.sha256)
    throw modelError(
      'model_digest_mismatch',
      `${source}: expected sha256 ${file.sha256}, it has ${sha256}.`,
      false,
    )
  return { path: file.path, sha256, size_bytes: size }
}

/** A copy of a hub's repository has the source's paths; its own cache has links in them. */
async function placeOf(file: ModelFile, folder: string): Promise<string> {
  for (const path of [file.path, file.source_path ?? file.path]) {
    const place = await realpath(join(folder, path)).catch(() => null)
    if (place !== null && (await stat(place)).isFile()) return place
  }
  const or = file.source_path === undefined ? '' : ` (or ${file.source_path})`
  throw modelError('model_missing', `${folder} has no file ${file.path}${or}.`, false)
}

/** Shares the blocks where the file system can, else the file, else copies: a model is gigabytes. */
async function copyCheaply(source: string, target: string): Promise<void> {
  try {
    await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE)
  } catch {
    await rm(target, { force: true })
    await link(source, target).catch(() => copyFile(source, target))
  }
}
