import type { TaskId } from '#protocol/ids.ts'
import { isTerminal } from '#protocol/job.ts'
import type { JobTrace, TraceAttempt } from '#protocol/trace.ts'
import type { Fact } from './facts.ts'
import { fold } from './fold.ts'
import type { JobState } from './state.ts'
import { timestamp, timestampOrNull } from './view.ts'

/** The timeline of a job, told from its log alone: one entry for each time that a task was enqueued. Pure. */
export function jobTrace(facts: readonly Fact[]): JobTrace | null {
  let job: JobState | null = null
  const attempts: TraceAttempt[] = []
  const open = new Map<TaskId, number>()
  for (const fact of facts) {
    job = fold(job, fact)
    if (fact.type === 'reused') {
      for (const { taskId } of fact.tasks) attempts.push(begun(job, taskId, fact.atMs, 'reused'))
    } else if (fact.type === 'queued') {
      open.set(fact.taskId, attempts.push(begun(job, fact.taskId, fact.atMs, 'open')) - 1)
    } else if ('taskId' in fact) {
      const index = open.get(fact.taskId)
      const attempt = index === undefined ? undefined : attempts[index]
      if (index !== undefined && attempt !== undefined) attempts[index] = after(attempt, fact)
    }
  }
  if (job === null) return null
  const endedAt = timestampOrNull(job.completedAtMs)
  return {
    job_id: job.spec.jobId,
    trace_id: job.spec.trace.traceId,
    status: job.status,
    created_at: timestamp(job.createdAtMs),
    started_at: timestampOrNull(job.startedAtMs),
    completed_at: endedAt,
    attempts: isTerminal(job.status) ? attempts.map((attempt) => cutOff(attempt, endedAt)) : attempts,
  }
}

type TaskFact = Extract<Fact, { readonly taskId: TaskId }>

function begun(job: JobState, taskId: TaskId, atMs: number, outcome: 'open' | 'reused'): TraceAttempt {
  const task = job.tasks.get(taskId)
  if (task === undefined) throw new Error(`the log names task ${taskId}, which is not in the plan`)
  const { plan, runner } = task
  const isReused = outcome === 'reused'
  return {
    task_id: taskId,
    stage: plan.stage,
    channel: plan.channel,
    fence: Math.max(1, task.fence),
    engine_id: runner?.engineId ?? plan.preferred.engineId,
    model_id: runner?.modelId ?? plan.preferred.modelId,
    agent_id: runner?.agentId ?? null,
    why: runner?.why ?? null,
    queued_at: timestamp(atMs),
    started_at: isReused ? timestamp(atMs) : null,
    ended_at: isReused ? timestamp(atMs) : null,
    outcome,
    error: null,
    queue_ms: null,
    transfer_ms: null,
    swap_ms: null,
    load_ms: null,
    run_ms: null,
  }
}

function after(attempt: TraceAttempt, fact: TaskFact): TraceAttempt {
  const at = timestamp(fact.atMs)
  switch (fact.type) {
    case 'queued':
      return attempt
    case 'started': {
      const { agentId, engineId, modelId, why } = fact.runner
      const queue_ms = Math.max(0, fact.atMs - Date.parse(attempt.queued_at))
      return {
        ...attempt,
        agent_id: agentId,
        engine_id: engineId,
        model_id: modelId,
        why,
        started_at: at,
        queue_ms,
      }
    }
    case 'completed': {
      const { transfer_ms, swap_ms, load_ms, run_ms } = fact.metrics
      return { ...attempt, ended_at: at, outcome: 'completed', transfer_ms, swap_ms, load_ms, run_ms }
    }
    case 'failed': {
      const outcomes = { retry: 'retried', fail: 'failed', skip: 'skipped' } as const
      return { ...attempt, ended_at: at, outcome: outcomes[fact.next.verdict], error: fact.error }
    }
  }
}

/** What was open when the job ended was taken back with it. */
function cutOff(attempt: TraceAttempt, endedAt: string | null): TraceAttempt {
  return attempt.outcome === 'open' ? { ...attempt, ended_at: endedAt, outcome: 'cancelled' } : attempt
}
