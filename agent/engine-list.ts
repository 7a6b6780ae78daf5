import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { DESCRIBED_ENGINES, type ListedEngine } from '#engines/list.ts'
import { EngineManifest } from '#protocol/engine.ts'
import { type AgentConfig, UsageError } from './config.ts'
import { sentenceOf } from './log.ts'

/**
 * The engines of an agent: those of the installation (`engines/list.ts`), those of the owner's own list module or
 * description file, or both.
 * The agent reads manifests only; `load` runs in the child, which imports the same module by its URL.
 */
export type EngineList = readonly EngineEntry[]

export interface EngineEntry {
  readonly manifest: EngineManifest
  readonly moduleUrl: string
  /** Names of the variables that the engine may read, besides those that every child has. */
  readonly environment: readonly string[]
}

/** A list module. `ENVIRONMENT` names variables of the agent's own environment that its engines may read. */
const ListModule = z.looseObject({
  ENGINES: z
    .array(
      z.object({
        manifest: EngineManifest,
        load: z.custom<ListedEngine['load']>((value) => typeof value === 'function', 'expected a function'),
      }),
    )
    .min(1),
  ENVIRONMENT: z.array(z.string().min(1)).optional(),
})

/** What this agent runs. Throws `UsageError` with a sentence when the owner's module is not what it should be. */
export async function engineList(
  { enginesPath, enginesOnly }: AgentConfig,
  builtIn: EngineList,
): Promise<EngineList> {
  if (enginesPath === null) {
    if (enginesOnly) throw new UsageError('--engines-only: expected --engines FILE with it')
    return builtIn
  }
  const own = await ownEngines(enginesPath)
  const all = enginesOnly ? own : [...builtIn, ...own]
  const ids = all.map(({ manifest }) => manifest.id)
  const twice = ids.find((id, index) => ids.indexOf(id) !== index)
  if (twice === undefined) return all
  throw new UsageError(
    `--engines: ${enginesPath}: there are two engines ${twice}; give one another id, or leave the built-in ones out (--engines-only)`,
  )
}

/** The entries of an imported list module. Throws when it is none. */
export function entriesOf(moduleUrl: string, module: unknown): EngineList {
  const { ENGINES, ENVIRONMENT = [] } = ListModule.parse(module)
  return ENGINES.map(({ manifest }) => ({ manifest, moduleUrl, environment: ENVIRONMENT }))
}

/** Finds one engine in an imported list module. Throws when the module or the engine is not what it should be. */
export function engineIn(module: unknown, engineId: string): Pick<ListedEngine, 'load'> {
  const entry = ListModule.parse(module).ENGINES.find((one) => one.manifest.id === engineId)
  if (entry === undefined) throw new Error(`expected an engine ${engineId} in the list, found none`)
  return entry
}

async function ownEngines(path: string): Promise<EngineList> {
  const moduleUrl = listModuleOf(path)
  try {
    return entriesOf(moduleUrl, await import(moduleUrl))
  } catch (error) {
    throw new UsageError(`--engines: ${path}: ${faultOf(error)}`, { cause: error })
  }
}

/** A module as it is; a description in YAML or JSON by way of the module that reads it, in the child too. */
function listModuleOf(path: string): string {
  if (!/\.(ya?ml|json)$/.test(path)) return pathToFileURL(path).href
  const url = new URL(DESCRIBED_ENGINES)
  url.searchParams.set('file', path)
  return url.href
}

/** `ENGINES.0.manifest.id: expected …`, or what the import itself said. */
function faultOf(error: unknown): string {
  if (!(error instanceof z.ZodError)) return sentenceOf(error)
  const issue = error.issues[0]
  if (issue?.path.length === 1 && issue.path[0] === 'ENGINES')
    return 'expected a module that exports ENGINES, a list of { manifest, load }'
  return `${issue?.path.join('.')}: ${issue?.message}`
}
