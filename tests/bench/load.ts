import type { Bench } from './bench.ts'
import { bench as agents } from './load/agents.ts'
import { bench as bill } from './load/bill.ts'
import { bench as jobs } from './load/jobs.ts'
import { bench as submit } from './load/submit.ts'

/** The orchestrator under load: submits beside the bare path, whole jobs, thousands of agents, and what a job is billed. */
export const bench: Bench = {
  name: 'load',
  async run(report) {
    for (const part of [submit, jobs, agents, bill]) await part.run(report)
  },
}
