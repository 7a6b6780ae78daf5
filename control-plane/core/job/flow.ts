import type { TaskId } from '#protocol/ids.ts'
import { MAX_RETRIES } from '#protocol/stage.ts'
import type { TaskError } from '#protocol/task.ts'
import { planTasks } from '../dag.ts'
import { retryWaitMs, spread } from '../retry.ts'
import { mergeId, orderOf } from './dispatch.ts'
import type { FactBody } from './facts.ts'
import { isDispatched, type JobState, type TaskState } from './state.ts'
import { enqueueId, type Turn } from './turn.ts'
import { channelCount, indexRow } from './view.ts'

/** How a job moves on: what becomes ready is enqueued, what failed is tried again, and at last the job ends. */

/** No task is enqueued more often than this, whatever the reasons were: a bound on losses that count against nobody. */
const MAX_FENCE = 50
/** So many uncounted losses are made good at once (a drain, a restart); after them each waits as a failure would. */
const PROMPT_LOSSES = 3

/** Enqueue what became ready; when nothing is left, the job is complete. */
export function advance(turn: Turn): void {
  splitChannels(turn)
  enqueueReady(turn)
  const tasks = [...(turn.job?.tasks.values() ?? [])]
  if (tasks.every((task) => task.status === 'completed' || task.status === 'skipped')) {
    end(turn, { type: 'job_completed' })
  }
}

/** Prepare told how many channels there are: what stood for all of them becomes one task each. */
function splitChannels(turn: Turn): void {
  const { job } = turn
  if (job === null || job.pipeline === null) return
  const { jobId, parameters } = job.spec
  const channels = channelCount(job)
  const isSplit = [...job.tasks.values()].some((task) => task.plan.channel !== null)
  if (parameters.speakerDetection !== 'per_channel' || channels === null || isSplit) return
  const { pipeline } = job
  turn.record({ type: 'planned', pipeline, tasks: planTasks(jobId, parameters, pipeline, channels) })
}

export function enqueueReady(turn: Turn): void {
  if (turn.job?.isCopying === true) return
  for (const task of turn.job?.tasks.values() ?? []) {
    const isDue = task.status === 'ready' && task.retryAtMs !== null && task.retryAtMs <= turn.nowMs
    const isFree = task.status === 'pending' && task.plan.dependsOn.every((id) => hasEnded(turn, id))
    if (!isDue && !isFree) continue
    turn.record({ type: 'queued', taskId: task.plan.id, fence: task.fence + 1 })
    turn.hear(task.plan.id)
    orderOf(turn, task.plan.id)
  }
}

/** A run that brought no result. Only a counted one uses the stage's budget. */
export function retryOrEnd(turn: Turn, task: TaskState, error: TaskError, counted: boolean): void {
  const { id: taskId, stage, required } = task.plan
  const failures = task.failures + (counted ? 1 : 0)
  const budget = turn.settings.maxRetries ?? MAX_RETRIES[stage]
  const isRetried = error.retryable && failures <= budget && task.fence < MAX_FENCE
  const jobError = { code: error.code, message: error.message, stage }
  turn.forgetLive(taskId)
  const next = isRetried
    ? ({ verdict: 'retry', atMs: turn.nowMs + waitMs(turn, task, failures, counted) } as const)
    : ({ verdict: required ? 'fail' : 'skip' } as const)
  turn.record({ type: 'failed', taskId, fence: task.fence, error: jobError, counted, next })
  if (isRetried) enqueueReady(turn)
  else if (required) end(turn, { type: 'job_failed', error: jobError })
  else advance(turn)
}

/** The end of a job: whatever is dispatched is taken back, and the index learns of it. */
export function end(turn: Turn, body: FactBody): void {
  const dispatched = [...(turn.job?.tasks.values() ?? [])].filter(isDispatched)
  if (turn.job !== null && turn.job.pipeline === null) stopWaiting(turn, turn.job)
  turn.record(body)
  saveIndex(turn)
  exportTrace(turn)
  tellEnd(turn)
  for (const { plan, fence } of dispatched) {
    turn.answered(enqueueId(plan.id, fence))
    turn.answered(mergeId(fence))
    if (plan.stage !== 'merge') takeBack(turn, plan.id, fence)
  }
}

function stopWaiting(turn: Turn, job: JobState): void {
  const { pool, jobId } = job.spec
  turn.answered(waitId(job))
  turn.order('unwait', { type: 'registry.unwait', pool, jobId })
}

/** So long a collector may be away before a trace is given up: it must not keep a job awake for ever. */
const EXPORT_PATIENCE_MS = 600_000

function exportTrace(turn: Turn): void {
  const { otlpEndpoint } = turn.settings
  if (otlpEndpoint === null) return
  const untilMs = turn.nowMs + EXPORT_PATIENCE_MS
  turn.order('trace', { type: 'trace.export', endpoint: otlpEndpoint, untilMs })
}

function tellEnd(turn: Turn): void {
  if (turn.job === null) return
  const { spec, status, createdAtMs } = turn.job
  const durationMs = turn.nowMs - createdAtMs
  turn.effects.push({ type: 'registry.ended', pool: spec.pool, status, durationMs })
}

/** One wait a job: it ends when the graph is drawn. */
export function waitId(job: JobState): string {
  return `wait:${job.spec.jobId}`
}

/** Wherever the registry has it, this fence is over. */
export function takeBack(turn: Turn, taskId: TaskId, fence: number): void {
  if (turn.job === null) return
  const { pool } = turn.job.spec
  turn.order(`cancel:${taskId}:${fence}`, { type: 'registry.cancel', pool, taskId, fence })
}

export function saveIndex(turn: Turn): void {
  if (turn.job === null) return
  turn.order(`index:${turn.job.seq}`, { type: 'index.save', row: indexRow(turn.job) })
}

function waitMs(turn: Turn, task: TaskState, failures: number, counted: boolean): number {
  const random = spread(`${task.plan.id}/${task.fence}`)
  if (counted) return retryWaitMs(failures, random, turn.settings)
  const losses = task.fence - failures
  return losses <= PROMPT_LOSSES ? 0 : retryWaitMs(losses - PROMPT_LOSSES, random, turn.settings)
}

function hasEnded(turn: Turn, taskId: TaskId): boolean {
  const status = turn.task(taskId)?.status
  return status === 'completed' || status === 'skipped'
}
