import type { TaskId } from '#protocol/ids.ts'
import { isTerminal } from '#protocol/job.ts'
import { MAX_RETRIES } from '#protocol/stage.ts'
import type { TaskError } from '#protocol/task.ts'
import type { Machine, Step } from '../machine.ts'
import { answered, earliest, nextDueMs, takeDue } from '../outbox.ts'
import { retryDelayMs, spread } from '../retry.ts'
import { orderOf } from './dispatch.ts'
import type { JobEffect } from './effects.ts'
import type { JobInput, JobReply } from './input.ts'
import { jobProgress } from './progress.ts'
import { isDispatched, type JobMachineState } from './state.ts'
import { Turn } from './turn.ts'
import { indexRow } from './view.ts'

/** A dispatched task that nobody spoke of for this long is asked after (design: a Job that hears nothing for 60 s asks). */
const SILENCE_MS = 60_000
/** No task is enqueued more often than this, whatever the reasons were: a bound on uncounted hand-backs. */
const MAX_FENCE = 50

/** The job machine: one job's tasks, fences and accepted results. Pure. */
export const jobMachine: Machine<JobMachineState, JobInput, JobEffect, JobReply> = {
  step(state, input, nowMs): Step<JobMachineState, JobEffect, JobReply> {
    const turn = new Turn(state, nowMs)
    const reply = decide(turn, input)
    return { state: turn.state(), changes: turn.changes(), effects: turn.effects, reply }
  },

  nextWakeMs(state) {
    if (state.job === null) return null
    const times = [nextDueMs(state.outbox)]
    for (const task of state.job.tasks.values()) {
      if (task.retryAtMs !== null) times.push(task.retryAtMs)
      else if (isDispatched(task) && task.plan.stage !== 'merge') {
        times.push((state.live.heardMs.get(task.plan.id) ?? task.readyAtMs ?? 0) + SILENCE_MS)
      }
    }
    return earliest(times)
  },
}

function decide(turn: Turn, input: JobInput): JobReply {
  if (input.type === 'create') return create(turn, input)
  if (input.type === 'effect.answered') {
    turn.outbox = answered(turn.outbox, input.id)
    return 'ok'
  }
  if (turn.job === null) return 'gone'
  switch (input.type) {
    case 'task.started':
      return started(turn, input)
    case 'task.progress':
      return progressed(turn, input)
    case 'task.result':
      return result(turn, input)
    case 'task.lost':
      return lost(turn, input)
    case 'task.placed':
      return placed(turn, input)
    case 'cancel':
      return cancel(turn)
    case 'wake':
      return wake(turn)
  }
}

function create(turn: Turn, input: Extract<JobInput, { type: 'create' }>): JobReply {
  if (turn.job !== null) return 'ok'
  turn.record({ type: 'created', spec: input.spec })
  saveIndex(turn)
  enqueueReady(turn)
  return 'created'
}

function started(turn: Turn, input: Extract<JobInput, { type: 'task.started' }>): JobReply {
  const task = turn.task(input.taskId)
  if (task === null || task.fence !== input.fence || task.status !== 'ready' || task.retryAtMs !== null)
    return 'stale'
  turn.hear(input.taskId)
  if (turn.job?.status === 'pending') {
    turn.record({ type: 'running' })
    saveIndex(turn)
  }
  turn.record({ type: 'started', taskId: input.taskId, fence: input.fence, runner: input.runner })
  return 'ok'
}

function progressed(turn: Turn, input: Extract<JobInput, { type: 'task.progress' }>): JobReply {
  const task = turn.task(input.taskId)
  if (task === null || task.fence !== input.fence || task.status !== 'running') return 'stale'
  turn.hear(input.taskId)
  if (input.n <= (turn.live.seen.get(input.taskId) ?? 0)) return 'duplicate'
  const { taskId, progress, partial } = input
  turn.live = {
    ...turn.live,
    seen: new Map(turn.live.seen).set(taskId, input.n),
    progress: new Map(turn.live.progress).set(taskId, progress),
    partial: partial === null ? turn.live.partial : { ...partial, task_id: taskId },
  }
  turn.keepOverall()
  if (turn.job === null) return 'gone'
  const event = {
    type: 'task.progress' as const,
    task_id: taskId,
    stage: task.plan.stage,
    task: progress,
    progress: jobProgress(turn.job, turn.live),
  }
  turn.effects.push({ type: 'publish', seq: null, event })
  if (partial !== null && turn.live.partial !== null) {
    turn.effects.push({
      type: 'publish',
      seq: null,
      event: { type: 'transcript.partial', partial: turn.live.partial },
    })
  }
  return 'ok'
}

/** Exactly one result of a task is accepted: the first one that carries the current fence. */
function result(turn: Turn, input: Extract<JobInput, { type: 'task.result' }>): JobReply {
  const task = turn.task(input.taskId)
  if (task === null || task.fence !== input.fence) return 'stale'
  if (task.status === 'completed') return 'duplicate'
  const isHolder = task.status === 'running' && task.runner?.agentId === input.from.agentId
  const isGranted = isDispatched(task) && input.from.granted
  if (!isHolder && !isGranted) return 'stale'
  const { outcome, taskId, fence } = input
  turn.outbox = answered(turn.outbox, `merge:${fence}`)
  if (outcome.status === 'handed_back') {
    fail(turn, taskId, { code: 'handed_back', message: outcome.reason, retryable: true }, false)
  } else if (outcome.status === 'failed') {
    fail(turn, taskId, outcome.error, true)
  } else {
    const { artifacts, summary, metrics } = outcome
    turn.forgetLive(taskId)
    turn.record({ type: 'completed', taskId, fence, artifacts, summary, metrics })
    advance(turn)
  }
  return 'accepted'
}

function lost(turn: Turn, input: Extract<JobInput, { type: 'task.lost' }>): JobReply {
  const task = turn.task(input.taskId)
  if (task === null || task.fence !== input.fence || !isDispatched(task)) return 'stale'
  fail(turn, input.taskId, { code: 'task_lost', message: input.reason, retryable: true }, input.counted)
  return 'ok'
}

function placed(turn: Turn, input: Extract<JobInput, { type: 'task.placed' }>): JobReply {
  const task = turn.task(input.taskId)
  if (task === null || task.fence !== input.fence || !isDispatched(task)) return 'stale'
  if (!input.known) {
    const message = 'the registry does not know the task any more'
    fail(turn, input.taskId, { code: 'task_lost', message, retryable: true }, false)
    return 'ok'
  }
  turn.hear(input.taskId)
  if (input.why !== null)
    turn.live = { ...turn.live, why: new Map(turn.live.why).set(input.taskId, input.why) }
  return 'ok'
}

function fail(turn: Turn, taskId: TaskId, error: TaskError, counted: boolean): void {
  const task = turn.task(taskId)
  if (task === null) return
  const { stage, required } = task.plan
  const failures = task.failures + (counted ? 1 : 0)
  const isRetried = error.retryable && failures <= MAX_RETRIES[stage] && task.fence < MAX_FENCE
  const waitMs = counted ? retryDelayMs(failures, spread(`${taskId}/${task.fence}`)) : 0
  const jobError = { code: error.code, message: error.message, stage }
  turn.forgetLive(taskId)
  const next = isRetried
    ? ({ verdict: 'retry', atMs: turn.nowMs + waitMs } as const)
    : ({ verdict: required ? 'fail' : 'skip' } as const)
  turn.record({ type: 'failed', taskId, fence: task.fence, error: jobError, counted, next })
  if (isRetried) enqueueReady(turn)
  else if (required) end(turn, { type: 'job_failed', error: jobError })
  else advance(turn)
}

/** Enqueue what became ready; when nothing is left, the job is complete. */
function advance(turn: Turn): void {
  enqueueReady(turn)
  const tasks = [...(turn.job?.tasks.values() ?? [])]
  if (tasks.every((task) => task.status === 'completed' || task.status === 'skipped')) {
    end(turn, { type: 'job_completed' })
  }
}

function enqueueReady(turn: Turn): void {
  for (const task of turn.job?.tasks.values() ?? []) {
    const isDue = task.status === 'ready' && task.retryAtMs !== null && task.retryAtMs <= turn.nowMs
    const isFree = task.status === 'pending' && task.plan.dependsOn.every((id) => hasEnded(turn, id))
    if (!isDue && !isFree) continue
    turn.record({ type: 'queued', taskId: task.plan.id, fence: task.fence + 1 })
    turn.hear(task.plan.id)
    orderOf(turn, task.plan.id)
  }
}

function hasEnded(turn: Turn, taskId: TaskId): boolean {
  const status = turn.task(taskId)?.status
  return status === 'completed' || status === 'skipped'
}

function cancel(turn: Turn): JobReply {
  if (turn.job === null || isTerminal(turn.job.status)) return 'conflict'
  end(turn, { type: 'job_cancelled' })
  return 'ok'
}

/** The end of a job: whatever is dispatched is taken back, and the index learns of it. */
function end(turn: Turn, body: Parameters<Turn['record']>[0]): void {
  const dispatched = [...(turn.job?.tasks.values() ?? [])].filter(isDispatched)
  turn.record(body)
  saveIndex(turn)
  for (const { plan, fence } of dispatched) {
    turn.outbox = answered(turn.outbox, `enqueue:${plan.id}:${fence}`)
    turn.outbox = answered(turn.outbox, `merge:${fence}`)
    if (plan.stage === 'merge' || turn.job === null) continue
    const { pool } = turn.job.spec
    turn.order(`cancel:${plan.id}:${fence}`, { type: 'registry.cancel', pool, taskId: plan.id, fence })
  }
}

function wake(turn: Turn): JobReply {
  const { outbox, due } = takeDue(turn.outbox, turn.nowMs)
  turn.outbox = outbox
  for (const { id, effect } of due) turn.effects.push({ type: 'tracked', id, effect })
  if (turn.job === null || isTerminal(turn.job.status)) return 'ok'
  enqueueReady(turn)
  for (const task of turn.job.tasks.values()) {
    if (!isDispatched(task) || task.plan.stage === 'merge') continue
    const { id } = task.plan
    const heardMs = turn.live.heardMs.get(id) ?? task.readyAtMs ?? 0
    if (turn.nowMs - heardMs < SILENCE_MS) continue
    turn.hear(id)
    turn.effects.push({ type: 'registry.inquire', pool: turn.job.spec.pool, taskId: id, fence: task.fence })
  }
  return 'ok'
}

function saveIndex(turn: Turn): void {
  if (turn.job === null) return
  turn.order(`index:${turn.job.seq}`, { type: 'index.save', row: indexRow(turn.job) })
}
