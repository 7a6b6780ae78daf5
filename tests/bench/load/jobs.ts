import { setTimeout as delay } from 'node:timers/promises'
import { type Bench, median, type Report } from '../bench.ts'
import { type BenchServer, startBenchServer } from '../kit/bench-server.ts'
import { reportDisk } from '../kit/disk.ts'
import { httpCall } from '../kit/http-call.ts'
import { recordingForm, submitForm } from '../kit/recording-form.ts'
import { ScriptedAgent } from '../kit/scripted-agent.ts'
import { SseReader } from '../kit/sse-reader.ts'
import { stageWork } from '../kit/stage-work.ts'
import { type TaskTimes, WorkingAgent } from '../kit/working-agent.ts'
import { startWrappedServer } from '../kit/wrapped-server.ts'
import { callMeans, readCounts } from './counts.ts'
import { each } from './statistics.ts'

const AGENTS = 4
const SLOTS = 256
const JOBS = 160
const CONCURRENCIES = [8, 32]
const SINGLE_JOBS = 40
const WARM_UP = 5
const AIM_JOBS_PER_SECOND = 40
const FORM = recordingForm(16 * 1024)
/** No job takes so long; one that does ends the bench. */
const JOB_LIMIT_MS = 60_000

/** Whole jobs of three tasks (prepare, transcribe, merge) with agents that only store small files, and what each part costs. */
export const bench: Bench = {
  name: 'load.jobs',
  async run(report) {
    reportDisk(report)
    await completedPerSecond(report)
    await parts(report)
  },
}

async function completedPerSecond(report: Report): Promise<void> {
  await using server = await startBenchServer()
  const agents = await Promise.all(Array.from({ length: AGENTS }, () => worker(server)))
  const transcribed = new Map<string, () => void>()
  for (const agent of agents) agent.onAck = ({ taskId }) => transcribed.get(taskId)?.()
  for (const concurrency of CONCURRENCIES) {
    const before = await completedJobs(server)
    const startMs = performance.now()
    await each(Array.from({ length: JOBS }).keys(), concurrency, async () => {
      const { jobId } = await submitForm(server, FORM)
      // The ack may be faster than the answer; then the job is not waited for, which no sum suffers from.
      const ended = new Promise<void>((resolve) => transcribed.set(`${jobId}.transcribe`, resolve))
      await Promise.race([ended, delay(2_000, undefined, { ref: false })])
      transcribed.delete(`${jobId}.transcribe`)
    })
    await untilCompleted(server, before + JOBS)
    const rate = JOBS / ((performance.now() - startMs) / 1000)
    const target = `>= ${AIM_JOBS_PER_SECOND}`
    const ok = rate >= AIM_JOBS_PER_SECOND
    const figure = 'completed jobs of 3 tasks'
    report({ bench: 'load', case: `${concurrency} at once`, figure, value: rate, unit: '/s', target, ok })
  }
  for (const { agent } of agents) agent.close()
}

async function worker(server: BenchServer): Promise<WorkingAgent> {
  const agent = await ScriptedAgent.join(server, SLOTS)
  return new WorkingAgent(agent, stageWork(server, agent, { isWhole: false, transcribeSeconds: 0 }))
}

async function untilCompleted(server: BenchServer, count: number): Promise<void> {
  const untilMs = performance.now() + JOB_LIMIT_MS
  while ((await completedJobs(server)) < count) {
    if (performance.now() > untilMs) throw new Error('jobs did not complete')
    await delay(20)
  }
}

async function completedJobs({ host }: BenchServer): Promise<number> {
  const headers = { authorization: `Bearer ${host.apiKey}` }
  const { text } = await httpCall({ method: 'GET', url: `${host.address}/metrics`, headers })
  return Number(/^dalston_jobs_total\{[^}]*status="completed"[^}]*\} (\d+)/m.exec(text)?.[1] ?? 0)
}

/** One job at a time: what the client and the agent see, and the mean of each call that the server makes. */
async function parts(report: Report): Promise<void> {
  await using server = await startWrappedServer('counting-worker.js')
  const agent = await worker(server)
  const seen: Record<string, number[]> = {}
  let counted = await readCounts(server)
  for (let round = -WARM_UP; round < SINGLE_JOBS; round++) {
    if (round === 0) counted = await readCounts(server)
    const times = await oneJob(server, agent)
    if (round < 0) continue
    for (const [part, ms] of Object.entries(times)) seen[part] = [...(seen[part] ?? []), ms]
  }
  const means = callMeans(counted, await readCounts(server), SINGLE_JOBS)
  agent.agent.close()
  const common = { bench: 'load', case: 'one job at a time', unit: 'ms', target: null, ok: null } as const
  for (const [part, ms] of Object.entries(seen)) {
    report({ ...common, figure: `${part}, median`, value: median(ms) })
  }
  for (const { name, perJob, meanMs } of means) {
    report({ ...common, figure: `call ${name} (${perJob.toPrecision(2)} a job), mean`, value: meanMs })
  }
}

async function oneJob(server: BenchServer, agent: WorkingAgent): Promise<Record<string, number>> {
  const tasks: TaskTimes[] = []
  const transcribed = Promise.withResolvers<void>()
  agent.onAck = (times) => {
    tasks.push(times)
    if (times.taskId.endsWith('.transcribe')) transcribed.resolve()
  }
  const { jobId, sentAtMs, answeredAtMs } = await submitForm(server, FORM)
  const completedAtMs = await completion(server, jobId)
  await transcribed.promise
  const [prepare, transcribe] = ['prepare', 'transcribe'].map((stage) =>
    tasks.find(({ taskId }) => taskId.endsWith(`.${stage}`)),
  )
  if (prepare === undefined || transcribe === undefined) throw new Error('a task was not acked')
  return {
    'submit: last byte to answer': answeredAtMs - sentAtMs,
    'offer: last byte to offer': prepare.offeredAtMs - sentAtMs,
    'grant: offer to grant': prepare.grantedAtMs - prepare.offeredAtMs,
    'artifact: grant to result': prepare.resultAtMs - prepare.grantedAtMs,
    'result: result to ack': prepare.ackedAtMs - prepare.resultAtMs,
    'next task: result to next offer': transcribe.offeredAtMs - prepare.resultAtMs,
    'merge: last result to job.completed': completedAtMs - transcribe.resultAtMs,
    'job: last byte to job.completed': completedAtMs - sentAtMs,
  }
}

/** When the terminal event came; a job that was over before its stream was opened says so in the snapshot. */
async function completion(server: BenchServer, jobId: string): Promise<number> {
  const url = `${server.host.address}/v1/audio/transcriptions/${jobId}/events`
  const headers = { authorization: `Bearer ${server.host.apiKey}` }
  const completed = Promise.withResolvers<number>()
  const reader = await SseReader.open(url, headers, (name, data, atMs) => {
    const isOver = name === 'snapshot' && JSON.parse(data).job.status === 'completed'
    if (isOver || name === 'job.completed') completed.resolve(atMs)
  })
  const atMs = await completed.promise
  reader.close()
  return atMs
}
