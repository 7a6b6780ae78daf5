import { join } from 'node:path'
import type { CatalogModel } from '#protocol/model.ts'

/**
 * Where a model's files lie: `<data>/models/<engine>/<model id>`, one cache folder an engine. What is not whole yet lies in
 * `.partial` beside it, on the same file system, and becomes a model by one rename.
 */
export class ModelFolders {
  readonly root: string

  constructor(dataFolder: string) {
    this.root = join(dataFolder, 'models')
  }

  model(engineId: string, modelId: string): string {
    return join(this.root, engineId, modelId)
  }

  of(entry: CatalogModel): string {
    return this.model(entry.engine, entry.id)
  }

  partials(engineId: string): string {
    return join(this.root, engineId, PARTIAL)
  }

  partial(entry: CatalogModel): string {
    return join(this.partials(entry.engine), entry.id)
  }

  /** Of who pulls or imports the model. */
  lock(entry: CatalogModel): string {
    return join(this.partials(entry.engine), LOCKS, entry.id)
  }

  /** Where an import gathers its files. */
  draft(entry: CatalogModel): string {
    return join(this.partials(entry.engine), DRAFTS, entry.id)
  }
}

export const PARTIAL = '.partial'
/** In there, beside the models that are pulled: no id begins with a dot. */
export const LOCKS = '.locks'
export const DRAFTS = '.drafts'
export const TRASH = '.trash'
/** Not an engine's folder. */
export const CATALOG = 'catalog'
/** A file in the root that changes when a model was installed by another process than the agent. */
export const CHANGED = 'changed'
