import type { ListedEngine } from '#engines/list.ts'

/**
 * The engines of an installation: `engines/list.ts`, or a scripted list in tests. The agent reads manifests only; `load`
 * runs in the child, which imports the same module by its URL and looks for `ENGINES`.
 */
export interface EngineList {
  readonly moduleUrl: string
  readonly entries: readonly ListedEngine[]
}

/** Finds one engine in an imported list module. Throws when the module or the engine is not what it should be. */
export function engineIn(module: unknown, engineId: string): ListedEngine {
  // A list module is our own code, checked by the compiler where it is written; here it comes through import().
  const entries = (module as { readonly ENGINES?: readonly ListedEngine[] }).ENGINES
  if (entries === undefined) throw new Error('expected a module that exports ENGINES')
  const entry = entries.find((one) => one.manifest.id === engineId)
  if (entry === undefined) throw new Error(`expected an engine ${engineId} in the list, found none`)
  return entry
}
