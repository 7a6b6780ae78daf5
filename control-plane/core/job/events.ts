import type { JobEvent } from '#protocol/events.ts'
import type { Fact } from './facts.ts'
import { fold } from './fold.ts'
import { jobProgress } from './progress.ts'
import { type JobState, type Live, NOTHING_LIVE, type TaskState } from './state.ts'
import { audioSeconds, jobView, stageView, timestamp, warnings } from './view.ts'

/**
 * Facts as SSE events: one fact, one event, the fact's seq as its id, so that the ids have no gap. Pure.
 */
export interface LoggedEvent {
  readonly seq: number
  readonly event: JobEvent
}

/** The event of a fact; `job` is the state after it. */
export function eventOf(fact: Fact, job: JobState, live: Live): JobEvent {
  const common = {
    at: timestamp(fact.atMs),
    progress: jobProgress(job, live, fact.atMs),
    pipeline_warnings: warnings(job),
  }
  switch (fact.type) {
    case 'created':
    case 'planned':
    case 'reused':
    case 'running': {
      const { status, started_at, why, stages } = jobView(job, live, fact.atMs)
      return { type: 'job.status', ...common, status, started_at, why, stages }
    }
    case 'queued':
      return { type: 'task.queued', ...common, stage: stageView(taskOf(job, fact), live) }
    case 'started':
      return { type: 'task.started', ...common, stage: stageView(taskOf(job, fact), live) }
    case 'completed':
      return {
        type: 'task.completed',
        ...common,
        stage: stageView(taskOf(job, fact), live),
        audio_duration_seconds: audioSeconds(job),
      }
    case 'failed':
      return { type: 'task.failed', ...common, stage: stageView(taskOf(job, fact), live), error: fact.error }
    case 'job_completed':
      return { type: 'job.completed', ...common, job: jobView(job, live, fact.atMs) }
    case 'job_failed':
      return { type: 'job.failed', ...common, job: jobView(job, live, fact.atMs) }
    case 'job_cancelled':
      return { type: 'job.cancelled', ...common, job: jobView(job, live, fact.atMs) }
  }
}

/** The events after `afterSeq`, told from the log alone. */
export function eventsAfter(facts: readonly Fact[], afterSeq: number): LoggedEvent[] {
  const events: LoggedEvent[] = []
  let job: JobState | null = null
  for (const fact of facts) {
    job = fold(job, fact)
    if (fact.seq > afterSeq) events.push({ seq: fact.seq, event: eventOf(fact, job, NOTHING_LIVE) })
  }
  return events
}

function taskOf(job: JobState, fact: { readonly taskId: TaskState['plan']['id'] }): TaskState {
  const task = job.tasks.get(fact.taskId)
  if (task === undefined) throw new Error(`task ${fact.taskId} is not in the plan`)
  return task
}
