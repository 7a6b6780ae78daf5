import type { TaskError, TaskOutcome } from '#protocol/task.ts'
import { outputPrefix } from '../dispatch.ts'
import { mergeId } from './dispatch.ts'
import { advance, retryOrEnd } from './flow.ts'
import type { JobInput, JobReply } from './input.ts'
import { begin } from './reports.ts'
import { isDispatched, type TaskState } from './state.ts'
import type { Turn } from './turn.ts'

type Completed = Extract<TaskOutcome, { status: 'completed' }>
type ResultInput = Extract<JobInput, { type: 'task.result' }>

/** Exactly one result of a task is accepted: the first one that carries the current fence, from whoever holds it. */
export function result(turn: Turn, input: ResultInput): JobReply {
  const { outcome, taskId, fence, from } = input
  const task = turn.task(taskId)
  if (task === null || task.fence !== fence) return refused(turn, input)
  if (task.status === 'completed') return 'duplicate'
  const isHolder = task.status === 'running' && task.runner?.agentId === from.agentId
  // Its start was lost or is still on its way: the registry vouches for the agent.
  const isUnheard = task.status === 'ready' && isDispatched(task) && from.runner !== null
  if (!isHolder && !isUnheard) return refused(turn, input)
  turn.confirm(taskId, fence)
  if (task.plan.stage === 'merge') turn.answered(mergeId(fence))
  if (isUnheard && from.runner !== null && outcome.status !== 'handed_back') begin(turn, task, from.runner)
  take(turn, task, outcome)
  return 'accepted'
}

/** What a refused run wrote goes, once its fence is over: no other run writes under it, and nobody reads it. */
function refused(turn: Turn, { taskId, fence, outcome }: ResultInput): JobReply {
  const task = turn.task(taskId)
  const isOver = task !== null && (fence < task.fence || (fence === task.fence && hasNoRun(task)))
  if (outcome.status === 'completed' && isOver) {
    turn.effects.push({ type: 'artifacts.discard', prefix: outputPrefix(taskId, fence) })
  }
  return 'stale'
}

function hasNoRun(task: TaskState): boolean {
  return task.status !== 'completed' && !isDispatched(task)
}

/** The registry gave the grant up: the lease ended, or it was never begun. */
export function lost(turn: Turn, input: Extract<JobInput, { type: 'task.lost' }>): JobReply {
  const task = turn.task(input.taskId)
  if (task === null || task.fence !== input.fence || !isDispatched(task)) return 'stale'
  turn.confirm(input.taskId, input.fence)
  retryOrEnd(turn, task, input.error, input.counted)
  return 'ok'
}

function take(turn: Turn, task: TaskState, outcome: TaskOutcome): void {
  if (outcome.status === 'handed_back') {
    retryOrEnd(turn, task, { code: 'handed_back', message: outcome.reason, retryable: true }, false)
    return
  }
  if (outcome.status === 'failed') {
    retryOrEnd(turn, task, outcome.error, true)
    return
  }
  const error = invalidity(task, outcome)
  if (error !== null) {
    retryOrEnd(turn, task, error, true)
    return
  }
  const { artifacts, summary, metrics } = outcome
  turn.forgetLive(task.plan.id)
  turn.record({ type: 'completed', taskId: task.plan.id, fence: task.fence, artifacts, summary, metrics })
  advance(turn)
}

/**
 * What is wrong with a result that parses: the next task and the edge read the artifacts that it names, so they must be
 * this task's own. Another agent may do better, so the stage is tried again.
 */
function invalidity(task: TaskState, { artifacts, summary }: Completed): TaskError | null {
  const { id, stage } = task.plan
  if (summary.stage !== stage) {
    return invalid(`expected a summary of ${stage}, got one of ${summary.stage}`)
  }
  const prefix = outputPrefix(id, task.fence)
  const foreign = artifacts.find(({ key }) => !key.startsWith(prefix))
  return foreign === undefined
    ? null
    : invalid(`expected artifacts under ${prefix}, got ${foreign.key.slice(0, 200)}`)
}

function invalid(message: string): TaskError {
  return { code: 'invalid_result', message, retryable: true }
}
