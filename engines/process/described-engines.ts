import { dirname } from 'node:path'
import { readDescriptions } from './description.ts'
import { type ProcessEngineEntry, processEngine } from './engine.ts'

/**
 * A description file as a list module: `described-engines.ts?file=<path>`. The agent and its children import one URL, so
 * both read the same file.
 */
const path = new URL(import.meta.url).searchParams.get('file') ?? ''
const descriptions = await readDescriptions(path)

export const ENGINES: readonly ProcessEngineEntry[] = descriptions.map((one) =>
  processEngine(one, dirname(path)),
)
export const ENVIRONMENT: readonly string[] = descriptions.flatMap(({ environment }) => environment)
