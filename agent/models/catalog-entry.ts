import { parse } from 'yaml'
import type { z } from 'zod'
import { CatalogModel } from '#protocol/model.ts'
import { sentenceOf } from '../log.ts'

/** Written beside a model's files, so no file of a model may be called so. */
export const INSTALLED_FILE = 'installed.json'

export type ReadEntry =
  | { readonly ok: true; readonly entry: CatalogModel }
  /** Names the field, and what was expected there. */
  | { readonly ok: false; readonly message: string }

/** One catalog file. Pure: the text decides alone. */
export function readEntry(text: string): ReadEntry {
  let document: unknown
  try {
    document = parse(text)
  } catch (error) {
    return { ok: false, message: `this is no YAML: ${sentenceOf(error)}` }
  }
  const parsed = CatalogModel.safeParse(document)
  if (!parsed.success) return { ok: false, message: sentenceOfIssue(parsed.error.issues[0]) }
  const message = pathsFault(parsed.data)
  return message === null ? { ok: true, entry: parsed.data } : { ok: false, message }
}

function sentenceOfIssue(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return 'not a model entry'
  const field = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => (field === '' ? key : `${field}.${key}`))
    return `${keys.join(', ')}: a model entry has no such field`
  }
  return field === '' ? issue.message : `${field}: ${issue.message}`
}

/** What a schema of one file cannot see: two files at one place. */
function pathsFault(entry: CatalogModel): string | null {
  const seen = new Set<string>()
  for (const [index, { path }] of entry.files.entries()) {
    if (path === INSTALLED_FILE) return `files.${index}.path: ${INSTALLED_FILE} is the agent's own file`
    if (seen.has(path)) return `files.${index}.path: ${path} is there twice`
    seen.add(path)
  }
  return null
}
