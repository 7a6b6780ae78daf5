import { loadJob } from '#core/job/load.ts'
import { jobMachine } from '#core/job/step.ts'
import { loadRegistry } from '#core/registry/load.ts'
import { registryMachine } from '#core/registry/step.ts'
import { DEFAULTS } from '#core/settings.ts'
import { CATALOG } from './models.ts'

const { leaseMs } = DEFAULTS

/** What is simulated: the machines and their loads, as the objects run them. A planted bug replaces one part. */
export const PRODUCT = {
  jobMachine: jobMachine(DEFAULTS),
  loadJob,
  /** Where the operator allows it, a job has the model pulled that it lacks. */
  registryMachine: (modelsAutoPull: boolean) =>
    registryMachine({ settings: { ...DEFAULTS, modelsAutoPull }, catalog: CATALOG }),
  loadRegistry: (...[records, connected, nowMs, pongs]: Untimed) =>
    loadRegistry(records, connected, nowMs, leaseMs, pongs),
}
export type Product = Readonly<typeof PRODUCT>

type Untimed =
  Parameters<typeof loadRegistry> extends [infer Records, infer Connected, infer NowMs, number, (infer Seen)?]
    ? [records: Records, connected: Connected, nowMs: NowMs, pongs: Seen]
    : never
