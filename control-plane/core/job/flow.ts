import type { TaskId } from '#protocol/ids.ts'
import { MAX_RETRIES } from '#protocol/stage.ts'
import type { TaskError } from '#protocol/task.ts'
import { retryDelayMs, spread } from '../retry.ts'
import { mergeId, orderOf } from './dispatch.ts'
import type { FactBody } from './facts.ts'
import { isDispatched, type TaskState } from './state.ts'
import { enqueueId, type Turn } from './turn.ts'
import { indexRow } from './view.ts'

/** How a job moves on: what becomes ready is enqueued, what failed is tried again, and at last the job ends. */

/** No task is enqueued more often than this, whatever the reasons were: a bound on losses that count against nobody. */
const MAX_FENCE = 50
/** So many uncounted losses are made good at once (a drain, a restart); after them each waits as a failure would. */
const PROMPT_LOSSES = 3

/** Enqueue what became ready; when nothing is left, the job is complete. */
export function advance(turn: Turn): void {
  enqueueReady(turn)
  const tasks = [...(turn.job?.tasks.values() ?? [])]
  if (tasks.every((task) => task.status === 'completed' || task.status === 'skipped')) {
    end(turn, { type: 'job_completed' })
  }
}

export function enqueueReady(turn: Turn): void {
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
  const isRetried = error.retryable && failures <= MAX_RETRIES[stage] && task.fence < MAX_FENCE
  const jobError = { code: error.code, message: error.message, stage }
  turn.forgetLive(taskId)
  const next = isRetried
    ? ({ verdict: 'retry', atMs: turn.nowMs + waitMs(task, failures, counted) } as const)
    : ({ verdict: required ? 'fail' : 'skip' } as const)
  turn.record({ type: 'failed', taskId, fence: task.fence, error: jobError, counted, next })
  if (isRetried) enqueueReady(turn)
  else if (required) end(turn, { type: 'job_failed', error: jobError })
  else advance(turn)
}

/** The end of a job: whatever is dispatched is taken back, and the index learns of it. */
export function end(turn: Turn, body: FactBody): void {
  const dispatched = [...(turn.job?.tasks.values() ?? [])].filter(isDispatched)
  turn.record(body)
  saveIndex(turn)
  for (const { plan, fence } of dispatched) {
    turn.answered(enqueueId(plan.id, fence))
    turn.answered(mergeId(fence))
    if (plan.stage === 'merge' || turn.job === null) continue
    const { pool } = turn.job.spec
    turn.order(`cancel:${plan.id}:${fence}`, { type: 'registry.cancel', pool, taskId: plan.id, fence })
  }
}

export function saveIndex(turn: Turn): void {
  if (turn.job === null) return
  turn.order(`index:${turn.job.seq}`, { type: 'index.save', row: indexRow(turn.job) })
}

function waitMs(task: TaskState, failures: number, counted: boolean): number {
  const random = spread(`${task.plan.id}/${task.fence}`)
  if (counted) return retryDelayMs(failures, random)
  const losses = task.fence - failures
  return losses <= PROMPT_LOSSES ? 0 : retryDelayMs(losses - PROMPT_LOSSES, random)
}

function hasEnded(turn: Turn, taskId: TaskId): boolean {
  const status = turn.task(taskId)?.status
  return status === 'completed' || status === 'skipped'
}
