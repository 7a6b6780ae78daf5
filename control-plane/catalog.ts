import { Catalog } from '#protocol/catalog.ts'
import document from './catalog.json'

/** What could run: compiled from the engines' manifests and models/*.yaml by scripts/build-catalog.ts. */
export const catalog: Catalog = Catalog.parse(document)
