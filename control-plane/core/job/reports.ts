import type { Runner } from '../dispatch.ts'
import { asksRedaction } from '../parameters.ts'
import { retryOrEnd, saveIndex, takeBack } from './flow.ts'
import type { JobInput, JobReply } from './input.ts'
import { jobProgress } from './progress.ts'
import { isDispatched, type JobState, type TaskState } from './state.ts'
import type { Turn } from './turn.ts'

/** What a job hears of a task before its end: that it started, how far it is, where it waits. */
export function started(turn: Turn, input: Extract<JobInput, { type: 'task.started' }>): JobReply {
  const task = turn.task(input.taskId)
  if (task === null || task.fence !== input.fence) return 'stale'
  const isKnown = task.status === 'running' || task.status === 'completed'
  if (isKnown && task.runner?.agentId === input.runner.agentId) return 'duplicate'
  if (task.status !== 'ready' || !isDispatched(task)) return 'stale'
  turn.confirm(input.taskId, input.fence)
  begin(turn, task, input.runner)
  return 'ok'
}

/** The job runs from its first task on. */
export function begin(turn: Turn, task: TaskState, runner: Runner): void {
  if (turn.job?.status === 'pending') {
    turn.record({ type: 'running' })
    saveIndex(turn)
  }
  turn.record({ type: 'started', taskId: task.plan.id, fence: task.fence, runner })
}

/** The last value wins; values are published and not kept. */
export function progressed(turn: Turn, input: Extract<JobInput, { type: 'task.progress' }>): JobReply {
  const { taskId, n, progress } = input
  const task = turn.task(taskId)
  if (turn.job === null || task === null) return 'stale'
  if (task.fence !== input.fence || task.status !== 'running') return 'stale'
  turn.confirm(taskId, input.fence)
  if (n <= (turn.live.seen.get(taskId) ?? 0)) return 'duplicate'
  const partial = input.partial === null || hidesText(turn.job) ? null : { ...input.partial, task_id: taskId }
  turn.live = {
    ...turn.live,
    seen: new Map(turn.live.seen).set(taskId, n),
    progress: new Map(turn.live.progress).set(taskId, progress),
    progressMs: new Map(turn.live.progressMs).set(taskId, turn.nowMs),
    partial: partial ?? turn.live.partial,
  }
  turn.keepOverall()
  const { stage } = task.plan
  const overall = jobProgress(turn.job, turn.live, turn.nowMs)
  turn.publish({ type: 'task.progress', task_id: taskId, stage, task: progress, progress: overall })
  if (partial !== null) turn.publish({ type: 'transcript.partial', partial })
  return 'ok'
}

/** The registry's answer. A task that it does not know is lost, at nobody's expense. */
export function placed(turn: Turn, input: Extract<JobInput, { type: 'task.placed' }>): JobReply {
  const task = turn.task(input.taskId)
  if (task === null || task.fence !== input.fence || !isDispatched(task)) return 'stale'
  turn.confirm(input.taskId, input.fence)
  if (!input.known) {
    const message = 'the registry does not know the task any more'
    retryOrEnd(turn, task, { code: 'task_lost', message, retryable: true }, false)
    // Its enqueue may have come there after the answer was given. A newer fence would take it back itself.
    if (turn.task(input.taskId)?.fence === input.fence) takeBack(turn, input.taskId, input.fence)
  } else if (input.why !== null) {
    const why = new Map(turn.live.why).set(input.taskId, input.why)
    const queueMs = new Map(turn.live.queueMs).set(input.taskId, input.queueMs)
    turn.live = { ...turn.live, why, queueMs }
  }
  return 'ok'
}

/** With redaction asked, no text leaves before it. */
function hidesText(job: JobState): boolean {
  return asksRedaction(job.spec.parameters)
}
