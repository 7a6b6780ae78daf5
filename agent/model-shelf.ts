import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Device } from '#engines/engine.ts'
import type { CatalogModel } from '#protocol/model.ts'
import type { TaskError } from '#protocol/task.ts'
import type { Needs } from './residency/residency.ts'

/** The models whose files lie on this machine, as far as it matters here. */
export interface ModelShelf {
  resolve(
    modelId: string,
  ): Promise<
    { readonly ok: true; readonly model: ShelfModel } | { readonly ok: false; readonly error: TaskError }
  >
  /** Its files stay until it is disposed; to be called before `resolve`. */
  use(modelId: string): Disposable
  isPinned(modelId: string): boolean
  /** As `resolve` says it; null: its files are not here, or not right. */
  identityOf(modelId: string): string | null
}

export interface ShelfModel {
  readonly catalog: CatalogModel
  readonly folder: string
  /** Of its files: two of one identity load to the same. */
  readonly identity: string
}

/** Until it is measured: what the catalog says, else its files. */
export async function needsOf({ catalog, folder }: ShelfModel, device: Device): Promise<Needs> {
  const { min_ram_mb, min_vram_mb } = catalog.hardware
  const memoryMib = min_ram_mb ?? Math.ceil((await sizeOf(catalog, folder)) / BYTES_PER_MIB)
  return { memoryMib, vramMib: device === 'cpu' ? 0 : (min_vram_mb ?? memoryMib) }
}

async function sizeOf({ files }: CatalogModel, folder: string): Promise<number> {
  const sizes = files.map(async ({ path, size_bytes }) => {
    if (size_bytes !== null) return size_bytes
    const found = await stat(join(folder, path)).catch(() => null)
    return found?.size ?? 0
  })
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

const BYTES_PER_MIB = 1024 ** 2
