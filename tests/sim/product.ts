import { loadJob } from '#core/job/load.ts'
import { jobMachine } from '#core/job/step.ts'
import { loadRegistry } from '#core/registry/load.ts'
import { registryMachine } from '#core/registry/step.ts'

/** What is simulated. A planted bug replaces one part. */
export const PRODUCT = { jobMachine, loadJob, registryMachine, loadRegistry }
export type Product = Readonly<typeof PRODUCT>
