import { join } from 'node:path'
import { z } from 'zod'
import { EngineId, ModelId } from '#protocol/ids.ts'
import { type CatalogModel, ModelFilePath } from '#protocol/model.ts'
import { INSTALLED_FILE } from './catalog-entry.ts'
import { readDurable, writeDurably } from './durable-file.ts'

/**
 * `installed.json` beside a model's files: what was fetched, and what each file was found to be. Where the catalog knows no
 * digest, the one that is recorded here is what the file is held to from then on. It is written last.
 */
export const InstalledModel = z.strictObject({
  model_id: ModelId,
  engine: EngineId,
  /** Null: an import of files whose revision nobody knows. */
  revision: z.string().max(200).nullable(),
  installed_at_ms: z.int().min(0),
  files: z
    .array(
      z.strictObject({
        path: ModelFilePath,
        size_bytes: z.int().min(0),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
      }),
    )
    .min(1),
})
export type InstalledModel = z.infer<typeof InstalledModel>
export type InstalledFile = InstalledModel['files'][number]

export function readInstalled(folder: string): Promise<InstalledModel | null> {
  return readDurable(join(folder, INSTALLED_FILE), InstalledModel)
}

export function writeInstalled(folder: string, installed: InstalledModel): Promise<void> {
  return writeDurably(join(folder, INSTALLED_FILE), installed)
}

export function sizeOf(installed: InstalledModel): number {
  return installed.files.reduce((sum, file) => sum + file.size_bytes, 0)
}

/** How what is installed differs from what the catalog says by now; null when it is the same model. */
export function differenceFrom(entry: CatalogModel, installed: InstalledModel): string | null {
  const { source } = entry
  if (source.kind === 'hub' && source.revision !== null && installed.revision !== null)
    if (source.revision !== installed.revision)
      return `installed is revision ${installed.revision}, the catalog says ${source.revision}`
  for (const file of entry.files) {
    const found = installed.files.find(({ path }) => path === file.path)
    if (found === undefined) return `${file.path} is not installed`
    if (file.size_bytes !== null && file.size_bytes !== found.size_bytes)
      return `${file.path} has ${found.size_bytes} bytes, the catalog says ${file.size_bytes}`
    if (file.sha256 !== null && file.sha256 !== found.sha256)
      return `${file.path} has sha256 ${found.sha256}, the catalog says ${file.sha256}`
  }
  return null
}
