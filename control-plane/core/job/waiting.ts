import { isTerminal } from '#protocol/job.ts'
import { planTasks } from '../dag.ts'
import { earliest } from '../outbox.ts'
import type { CoreSettings } from '../settings.ts'
import { end, enqueueReady, saveIndex, waitId } from './flow.ts'
import type { JobInput, JobReply } from './input.ts'
import type { JobMachineState, JobState } from './state.ts'
import type { Turn } from './turn.ts'
import { jobView } from './view.ts'

/** How a job begins, waits for engines, and is given up: what holds for the job as a whole. */

/** A job on the waiting list is put there again after so many inquiry intervals, should the registry have lost it. */
const ASK_INTERVALS = 5

export function create(turn: Turn, input: Extract<JobInput, { type: 'create' }>): JobReply {
  if (turn.job !== null) return 'ok'
  turn.record({ type: 'created', spec: input.spec })
  saveIndex(turn)
  if (input.spec.reuse !== null) {
    const { copies, laterCopies } = input.spec.reuse
    turn.order(COPY_ID, { type: 'files.copy', copies, isAwaited: true })
    if (laterCopies.length > 0) {
      turn.order('copy:later', { type: 'files.copy', copies: laterCopies, isAwaited: false })
    }
  }
  if (input.spec.pipeline === null) askForEngines(turn)
  else enqueueReady(turn)
  return 'created'
}

const COPY_ID = 'copy'

/** A rerun goes on where its files are; what was taken over is not run again. */
export function copied(turn: Turn, { missingKey }: Extract<JobInput, { type: 'copied' }>): JobReply {
  const { job } = turn
  turn.answered(COPY_ID)
  if (job === null || isTerminal(job.status) || !job.isCopying) return 'stale'
  if (missingKey !== null) {
    const message = 'The files of the job that is run again are not there any more.'
    end(turn, { type: 'job_failed', error: { code: 'artifact_gone', message, stage: null } })
    return 'ok'
  }
  turn.record({ type: 'reused', tasks: job.spec.reuse?.tasks ?? [] })
  enqueueReady(turn)
  return 'ok'
}

/** Engines were found for every stage: the graph is drawn, once. */
export function selected(turn: Turn, { pipeline }: Extract<JobInput, { type: 'selected' }>): JobReply {
  const { job } = turn
  if (job === null || isTerminal(job.status)) return 'conflict'
  if (job.pipeline !== null) return 'duplicate'
  turn.answered(waitId(job))
  const { jobId, parameters } = job.spec
  turn.record({ type: 'planned', pipeline, tasks: planTasks(jobId, parameters, pipeline, null) })
  turn.live = { ...turn.live, waiting: null }
  enqueueReady(turn)
  return 'ok'
}

export function unselected(turn: Turn, { why }: Extract<JobInput, { type: 'unselected' }>): JobReply {
  const { job } = turn
  if (job === null || !isWaiting(job)) return 'stale'
  turn.answered(waitId(job))
  turn.live = { ...turn.live, waiting: { why, askedAtMs: turn.nowMs } }
  turn.publish({ type: 'snapshot', job: jobView(job, turn.live, turn.nowMs) })
  return 'ok'
}

/** What it waits for will not come: the pull of its model failed. */
export function unavailable(turn: Turn, { error }: Extract<JobInput, { type: 'unavailable' }>): JobReply {
  const { job } = turn
  if (job === null || !isWaiting(job)) return 'stale'
  end(turn, { type: 'job_failed', error: { code: error.code, message: error.message, stage: null } })
  return 'ok'
}

/** What ends at a time of its own: the whole job, and the wait for engines. Also asks again, now and then. */
export function expire(turn: Turn): void {
  const { job, nowMs, settings } = turn
  if (job === null || isTerminal(job.status)) return
  if (nowMs >= jobLimitMs(job, settings)) {
    const hours = settings.jobLimitMs / 3_600_000
    const message = `the job was not done within ${Number(hours.toFixed(2))} hours`
    end(turn, { type: 'job_failed', error: { code: 'job_limit', message, stage: null } })
    return
  }
  if (!isWaiting(job)) return
  if (nowMs >= waitLimitMs(job)) {
    const why = turn.live.waiting?.why ?? 'no engine was there'
    const message = `No engine became available within ${job.spec.parameters.unavailable.waitMs / 1000} s: ${why}`
    end(turn, { type: 'job_failed', error: { code: 'no_capable_engine', message, stage: null } })
    return
  }
  const askMs = nextAskMs(turn.state(), settings)
  if (askMs !== null && nowMs >= askMs) askForEngines(turn)
}

/** When `expire` has something to do; null for a job that ended. */
export function nextExpiryMs(state: JobMachineState, settings: CoreSettings): number | null {
  const { job } = state
  if (job === null || isTerminal(job.status)) return null
  const limits = [jobLimitMs(job, settings)]
  return isWaiting(job)
    ? earliest([...limits, waitLimitMs(job), nextAskMs(state, settings)])
    : (limits[0] ?? null)
}

function askForEngines(turn: Turn): void {
  if (turn.job === null) return
  const { pool, jobId, tenantId, parameters } = turn.job.spec
  const why = turn.live.waiting?.why ?? 'asks for engines'
  turn.live = { ...turn.live, waiting: { why, askedAtMs: turn.nowMs } }
  turn.order(waitId(turn.job), { type: 'registry.wait', pool, jobId, tenantId, parameters })
}

function isWaiting(job: JobState): boolean {
  return job.pipeline === null && !isTerminal(job.status)
}

function jobLimitMs(job: JobState, settings: CoreSettings): number {
  return job.createdAtMs + settings.jobLimitMs
}

function waitLimitMs(job: JobState): number {
  return job.createdAtMs + job.spec.parameters.unavailable.waitMs
}

function nextAskMs({ live, outbox, job }: JobMachineState, settings: CoreSettings): number | null {
  if (job === null || outbox.has(waitId(job))) return null
  return (live.waiting?.askedAtMs ?? job.createdAtMs) + settings.inquiryMs * ASK_INTERVALS
}
