import type { TaskId } from '#protocol/ids.ts'
import type { Fact, JobSpec, ReusedTask } from './facts.ts'
import type { JobState, TaskState } from './state.ts'

/**
 * State from facts. Pure and total: a fold of the same facts gives the same state, whatever object or machine runs it.
 */
export function fold(state: JobState | null, fact: Fact): JobState {
  if (fact.type === 'created') return created(fact.spec, fact)
  if (state === null) throw new Error(`the log begins with ${fact.type}; expected created`)
  return { ...transition(state, fact), seq: fact.seq, overall: Math.max(state.overall, fact.overall) }
}

function created(spec: JobSpec, fact: Fact): JobState {
  return {
    spec,
    seq: fact.seq,
    status: 'pending',
    overall: 0,
    createdAtMs: fact.atMs,
    startedAtMs: null,
    completedAtMs: null,
    error: null,
    pipeline: spec.pipeline,
    plannedAtMs: spec.pipeline === null ? null : fact.atMs,
    isCopying: spec.reuse !== null,
    tasks: new Map(spec.tasks.map((plan) => [plan.id, pendingTask(plan)])),
  }
}

function transition(state: JobState, fact: Exclude<Fact, { type: 'created' }>): JobState {
  const { atMs } = fact
  switch (fact.type) {
    case 'planned':
      return planned(state, fact)
    case 'reused':
      return fact.tasks.reduce<JobState>((before, reused) => takenOver(before, reused, atMs), {
        ...state,
        isCopying: false,
      })
    case 'running':
      return { ...state, status: 'running', startedAtMs: atMs }
    case 'queued':
      return withTask(state, fact.taskId, (task) => ({
        ...task,
        status: 'ready',
        fence: fact.fence,
        readyAtMs: atMs,
        retryAtMs: null,
        runner: null,
        startedAtMs: null,
      }))
    case 'started':
      return withTask(state, fact.taskId, (task) => ({
        ...task,
        status: 'running',
        startedAtMs: atMs,
        runner: fact.runner,
      }))
    case 'completed': {
      const { artifacts, summary, metrics } = fact
      return withTask(state, fact.taskId, (task) => ({
        ...task,
        status: 'completed',
        startedAtMs: task.startedAtMs ?? atMs,
        completedAtMs: atMs,
        error: null,
        artifacts,
        summary,
        metrics,
      }))
    }
    case 'failed':
      return withTask(state, fact.taskId, (task) => afterFailure(task, fact))
    case 'job_completed':
      return { ...state, status: 'completed', completedAtMs: atMs }
    case 'job_failed':
      return ended({ ...state, status: 'failed', completedAtMs: atMs, error: fact.error })
    case 'job_cancelled':
      return ended({ ...state, status: 'cancelled', completedAtMs: atMs })
  }
}

function takenOver(state: JobState, reused: ReusedTask, atMs: number): JobState {
  const { taskId, artifacts, summary, metrics, runner } = reused
  return withTask(state, taskId, (task) => ({
    ...task,
    status: 'completed',
    readyAtMs: atMs,
    startedAtMs: atMs,
    completedAtMs: atMs,
    artifacts,
    summary,
    metrics,
    runner,
  }))
}

/** Tasks that stay keep what they have reached; the one that stood for all channels makes room for one each. */
function planned(state: JobState, fact: Extract<Fact, { type: 'planned' }>): JobState {
  const tasks = fact.tasks.map((plan): [TaskId, TaskState] => {
    const known = state.tasks.get(plan.id)
    return [plan.id, known === undefined ? pendingTask(plan) : { ...known, plan }]
  })
  const plannedAtMs = state.plannedAtMs ?? fact.atMs
  return { ...state, pipeline: fact.pipeline, plannedAtMs, tasks: new Map(tasks) }
}

/** More agents than these are not kept from a task: the oldest may try again. */
const MAX_AVOIDED = 8

function afterFailure(task: TaskState, fact: Extract<Fact, { type: 'failed' }>): TaskState {
  const failures = task.failures + (fact.counted ? 1 : 0)
  const agentId = fact.counted ? (task.runner?.agentId ?? null) : null
  const avoid = agentId === null ? task.avoid : [...task.avoid.filter((id) => id !== agentId), agentId]
  const failed = { ...task, failures, avoid: avoid.slice(-MAX_AVOIDED), error: fact.error }
  if (fact.next.verdict === 'retry') {
    return { ...failed, status: 'ready', retryAtMs: fact.next.atMs, startedAtMs: null }
  }
  const status = fact.next.verdict === 'skip' ? 'skipped' : 'failed'
  return { ...failed, status, completedAtMs: fact.atMs }
}

/** When a job ends before its work, what had not ended is cancelled. */
function ended(state: JobState): JobState {
  const tasks = new Map(state.tasks)
  for (const [id, task] of tasks) {
    const open = task.status === 'pending' || task.status === 'ready' || task.status === 'running'
    if (open) tasks.set(id, { ...task, status: 'cancelled', retryAtMs: null })
  }
  return { ...state, tasks }
}

function withTask(state: JobState, id: TaskId, change: (task: TaskState) => TaskState): JobState {
  const task = state.tasks.get(id)
  if (task === undefined) throw new Error(`the log names task ${id}, which is not in the plan`)
  return { ...state, tasks: new Map(state.tasks).set(id, change(task)) }
}

function pendingTask(plan: TaskState['plan']): TaskState {
  return {
    plan,
    status: 'pending',
    fence: 0,
    failures: 0,
    readyAtMs: null,
    startedAtMs: null,
    completedAtMs: null,
    retryAtMs: null,
    avoid: [],
    runner: null,
    artifacts: [],
    summary: null,
    metrics: null,
    error: null,
  }
}
