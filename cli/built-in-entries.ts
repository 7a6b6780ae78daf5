import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { CatalogModel } from '#protocol/model.ts'

const FOLDER = new URL('../models/', import.meta.url)

/** The entry of the installation's `models/*.yaml` that has this name, as its id or as an alias; null: none. */
export function builtInCalled(name: string): CatalogModel | null {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.yaml'))
  const entries = files.map((file) => CatalogModel.parse(parse(readFileSync(new URL(file, FOLDER), 'utf8'))))
  return entries.find(({ id, aliases }) => [id, ...aliases].some((one) => one === name)) ?? null
}
