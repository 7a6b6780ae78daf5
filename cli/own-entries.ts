import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse, stringify } from 'yaml'
import { defaultDataPath, describeDataFolder } from '#host/data-folder.ts'
import { CatalogModel } from '#protocol/model.ts'
import { CommandError, EXIT } from './exit-codes.ts'
import type { Io } from './io.ts'

/** Entries of models that are not in the catalog: YAML files in the agent's data folder, `models/catalog/ID.yaml`. */

/** The agent's data folder: the one that was named, else that of the agent which `dalston serve` runs. */
export function agentDataFolder(named: string | undefined, environment: Io['environment']): string {
  return named === undefined ? describeDataFolder(defaultDataPath(environment)).agentPath : resolve(named)
}

export function entryPath(id: string, agentData: string): string {
  return join(agentData, 'models', 'catalog', `${id}.yaml`)
}

/** Null where the owner has no entry of that name. @throws CommandError that names the file and the field. */
export function readOwnEntry(id: string, agentData: string): CatalogModel | null {
  // Anything else is no id, and so no file of ours.
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(id)) return null
  const path = entryPath(id, agentData)
  const text = textOf(path)
  if (text === null) return null
  const parsed = CatalogModel.safeParse(yamlOf(text, path))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new CommandError(`${path}: ${issue?.path.join('.')}: ${issue?.message}`, EXIT.failure)
}

/** Where it was written. An entry that is there already stays. */
export function writeOwnEntry(entry: CatalogModel, remarks: readonly string[], agentData: string): string {
  const path = entryPath(entry.id, agentData)
  const head = remarks.map((remark) => `# ${remark}\n`).join('')
  try {
    mkdirSync(join(agentData, 'models', 'catalog'), { recursive: true, mode: 0o700 })
    writeFileSync(path, `${head}${stringify(entry)}`, { flag: 'wx' })
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : cause
    const problem =
      code === 'EEXIST' ? 'is there already; delete it first, or give another --id' : String(code)
    throw new CommandError(`${path}: ${problem}`, EXIT.failure, { cause })
  }
  return path
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
    throw new CommandError(`${path} cannot be read`, EXIT.failure, { cause })
  }
}

function yamlOf(text: string, path: string): unknown {
  try {
    return parse(text)
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    throw new CommandError(`${path}: expected YAML: ${problem}`, EXIT.failure, { cause })
  }
}
