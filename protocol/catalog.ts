import { z } from 'zod'
import { EngineManifest } from './engine.ts'
import { CatalogModel } from './model.ts'

/** What could run: every engine and model that the project knows. What does run is what agents announce. */
export const Catalog = z.strictObject({ engines: z.array(EngineManifest), models: z.array(CatalogModel) })
export type Catalog = z.infer<typeof Catalog>
