import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { ENGINES } from '#engines/list.ts'
import { Catalog } from '#protocol/catalog.ts'
import { CatalogModel } from '#protocol/model.ts'

/** Compiles the engines' manifests and models/*.yaml into the one catalog that the Worker reads: what could run. */
const MODELS = new URL('../models/', import.meta.url)
const TARGET = fileURLToPath(new URL('../control-plane/catalog.json', import.meta.url))

const models = readdirSync(MODELS)
  .filter((name) => name.endsWith('.yaml'))
  .sort()
  .map((name) => {
    const result = CatalogModel.safeParse(parse(readFileSync(new URL(name, MODELS), 'utf8')))
    if (result.success) return result.data
    const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new Error(`models/${name} is not a model entry: ${problems.join('; ')}`)
  })

const catalog = Catalog.parse({ engines: ENGINES.map((engine) => engine.manifest), models })
writeFileSync(TARGET, `${JSON.stringify(catalog, null, 2)}\n`)
