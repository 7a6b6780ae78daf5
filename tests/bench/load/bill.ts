import type { Bench, Report } from '../bench.ts'
import type { BenchServer } from '../kit/bench-server.ts'
import { recordingForm, submitForm } from '../kit/recording-form.ts'
import { ScriptedAgent } from '../kit/scripted-agent.ts'
import { stageWork } from '../kit/stage-work.ts'
import { WorkingAgent } from '../kit/working-agent.ts'
import { startWrappedServer } from '../kit/wrapped-server.ts'
import { type Counts, difference, settledCounts } from './counts.ts'
import * as prices from './prices.ts'
import { each } from './statistics.ts'

const ROWS_LIMIT = 30
/** The cost of a job is flat when at ten times the load it is not dearer than this. */
const FLAT_LIMIT = 1.1
const WARM_UP = 20
const FORM = recordingForm(16 * 1024)

interface Load {
  readonly name: string
  readonly transcribeSeconds: number
  readonly jobs: number
  readonly atOnce: number
}

/** Pairs of once and ten times: jobs that take no time, and jobs whose transcription reports for ten seconds. */
const LOADS: readonly (readonly [Load, Load])[] = [
  [
    { name: 'instant tasks, 1x', transcribeSeconds: 0, jobs: 20, atOnce: 1 },
    { name: 'instant tasks, 10x', transcribeSeconds: 0, jobs: 50, atOnce: 10 },
  ],
  [
    { name: 'tasks of 10 s, 1x', transcribeSeconds: 10, jobs: 2, atOnce: 1 },
    { name: 'tasks of 10 s, 10x', transcribeSeconds: 10, jobs: 20, atOnce: 10 },
  ],
]

/**
 * Everything that a 3-task job is billed, counted in the objects themselves, and in dollars. Awake is the time in which an
 * event, or a call that an object made, is under way; an idle object may hibernate and is not billed.
 */
export const bench: Bench = {
  name: 'load.bill',
  async run(report) {
    for (const [once, tenTimes] of LOADS) {
      const [cheap, dear] = [await billOf(report, once), await billOf(report, tenTimes)]
      const ratio = dear / cheap
      const figure = 'dollars a job over those at 1x'
      const target = `<= ${FLAT_LIMIT}`
      const common = { bench: 'load', case: `bill, ${tenTimes.name}`, unit: 'x' }
      report({ ...common, figure, value: ratio, target, ok: ratio <= FLAT_LIMIT })
    }
  },
}

/** Reports the bill of a load; the dollars of one job. */
async function billOf(report: Report, load: Load): Promise<number> {
  await using server = await startWrappedServer('counting-worker.js')
  const scripted = await ScriptedAgent.join(server, 256)
  const options = { isWhole: true, transcribeSeconds: load.transcribeSeconds }
  const idle = new WorkingAgent(scripted, stageWork(server, scripted, { ...options, transcribeSeconds: 0 }))
  await runJobs(server, idle, WARM_UP, load.atOnce)
  scripted.close()
  const working = await ScriptedAgent.join(server, 256)
  const agent = new WorkingAgent(working, stageWork(server, working, options))
  const before = await settledCounts(server)
  await runJobs(server, agent, load.jobs, load.atOnce)
  const after = await settledCounts(server)
  working.close()
  return reportBill(report, load, before, after)
}

/** A job's agent part is over with the ack of its transcription. */
async function runJobs(
  server: BenchServer,
  agent: WorkingAgent,
  count: number,
  atOnce: number,
): Promise<void> {
  const transcribed = new Map<string, PromiseWithResolvers<void>>()
  const end = (taskId: string) => {
    const known = transcribed.get(taskId) ?? Promise.withResolvers<void>()
    transcribed.set(taskId, known)
    return known
  }
  agent.onAck = ({ taskId }) => end(taskId).resolve()
  await each(Array.from({ length: count }).keys(), atOnce, async () => {
    const { jobId } = await submitForm(server, FORM)
    await end(`${jobId}.transcribe`).promise
  })
}

function reportBill(report: Report, { name, jobs }: Load, before: Counts, after: Counts): number {
  const common = { bench: 'load', case: `bill, ${name}`, target: null, ok: null } as const
  const line = (figure: string, value: number, unit: string) => report({ ...common, figure, value, unit })
  const perJob = (what: string, unit: string): number => {
    const grown = [...difference(before, after, what)].sort(([a], [b]) => a.localeCompare(b))
    for (const [which, amount] of grown) line(which.replaceAll('|', ' '), amount / jobs, unit)
    return grown.reduce((sum, [, amount]) => sum + amount / jobs, 0)
  }
  const rows = perJob('rows', 'rows a job')
  const requests = perJob('requests', 'requests a job')
  const workerRequests = sum(before, after, 'requests|worker') / jobs
  const reads = perJob('reads', 'rows read a job')
  const awakeSeconds = perJob('awake_ms', 'ms awake a job') / 1000
  perJob('r2', 'R2 operations a job')
  const [writes, gets] = [sum(before, after, 'r2|a') / jobs, sum(before, after, 'r2|b') / jobs]
  const target = `<= ${ROWS_LIMIT}`
  const ok = rows <= ROWS_LIMIT
  report({ ...common, figure: 'rows written, all', value: rows, unit: 'rows a job', target, ok })
  const objects =
    rows * prices.ROW_WRITTEN +
    reads * prices.ROW_READ +
    (requests - workerRequests) * prices.OBJECT_REQUEST +
    awakeSeconds * prices.AWAKE_SECOND
  const rest = workerRequests * prices.WORKER_REQUEST + writes * prices.R2_WRITE + gets * prices.R2_READ
  line('objects and D1', objects * 1000, 'dollars a thousand jobs')
  line('Worker requests and R2', rest * 1000, 'dollars a thousand jobs')
  line('all', (objects + rest) * 1000, 'dollars a thousand jobs')
  return objects + rest
}

function sum(before: Counts, after: Counts, prefix: string): number {
  const [what = '', ...where] = prefix.split('|')
  const grown = difference(before, after, what)
  return [...grown].reduce(
    (total, [name, amount]) => total + (name.startsWith(where.join('|')) ? amount : 0),
    0,
  )
}
