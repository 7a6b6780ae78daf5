import { z } from 'zod'
import { TaskId } from './ids.ts'
import { JobError, JobStatus, JobView, LivePartial, StageView } from './job.ts'
import { Stage } from './stage.ts'
import { Progress } from './task.ts'

/**
 * The events of one job, as `GET /v1/audio/transcriptions/{id}/events` streams them. `snapshot` and the transitions
 * carry the log's seq as their SSE id; `task.progress` and `transcript.partial` carry none: the last value wins.
 * A transition carries the whole view of what it changed, so a reader folds by replacing (see `foldEvent`).
 */
const at = z.iso.datetime()
/** What every transition changes besides its stage. */
const job = {
  at,
  progress: JobView.shape.progress,
  pipeline_warnings: JobView.shape.pipeline_warnings,
}

export const JobEvent = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('snapshot'), job: JobView }),
  z.strictObject({
    type: z.literal('job.status'),
    ...job,
    status: JobStatus,
    started_at: at.nullable(),
    why: z.string().nullable(),
    stages: z.array(StageView),
  }),
  z.strictObject({ type: z.literal('task.queued'), ...job, stage: StageView }),
  z.strictObject({ type: z.literal('task.started'), ...job, stage: StageView }),
  z.strictObject({
    type: z.literal('task.completed'),
    ...job,
    stage: StageView,
    /** Known from the end of prepare on. */
    audio_duration_seconds: JobView.shape.audio_duration_seconds,
  }),
  /** `stage.status` tells what follows: `ready` when it is tried again, `failed` or `skipped` when not. */
  z.strictObject({ type: z.literal('task.failed'), ...job, stage: StageView, error: JobError }),
  z.strictObject({ type: z.literal('job.completed'), ...job, job: JobView }),
  z.strictObject({ type: z.literal('job.failed'), ...job, job: JobView }),
  z.strictObject({ type: z.literal('job.cancelled'), ...job, job: JobView }),
  z.strictObject({
    type: z.literal('task.progress'),
    task_id: TaskId,
    stage: Stage,
    task: Progress,
    progress: JobView.shape.progress,
  }),
  z.strictObject({ type: z.literal('transcript.partial'), partial: LivePartial }),
])
export type JobEvent = z.infer<typeof JobEvent>

export function isTerminalEvent(event: JobEvent): boolean {
  return event.type === 'job.completed' || event.type === 'job.failed' || event.type === 'job.cancelled'
}

/** The view after an event; `partial` is the newest text that may still change. Before the snapshot there is no view. */
export interface LiveJob {
  readonly job: JobView
  readonly partial: LivePartial | null
}

/** Fold one event into what a client shows. Events other than `snapshot` need the live job that came before. */
export function foldEvent(live: LiveJob | null, event: JobEvent): LiveJob | null {
  if (event.type === 'snapshot') return { job: event.job, partial: live?.partial ?? null }
  if (live === null) return null
  switch (event.type) {
    case 'job.status': {
      const { status, started_at, why, stages, progress, pipeline_warnings } = event
      return { ...live, job: { ...live.job, status, started_at, why, stages, progress, pipeline_warnings } }
    }
    case 'task.queued':
    case 'task.started':
    case 'task.failed': {
      const { progress, pipeline_warnings } = event
      return { ...live, job: withStage({ ...live.job, progress, pipeline_warnings }, event.stage) }
    }
    case 'task.completed': {
      const { progress, pipeline_warnings, audio_duration_seconds } = event
      const job = { ...live.job, progress, pipeline_warnings, audio_duration_seconds }
      return { ...live, job: withStage(job, event.stage) }
    }
    case 'task.progress': {
      const stages = live.job.stages.map((stage) =>
        stage.task_id === event.task_id ? { ...stage, progress: event.task } : stage,
      )
      return { ...live, job: { ...live.job, progress: event.progress, stages } }
    }
    case 'transcript.partial':
      return { ...live, partial: event.partial }
    default:
      return { ...live, job: event.job }
  }
}

function withStage(job: JobView, next: StageView): JobView {
  const known = job.stages.some((stage) => stage.task_id === next.task_id)
  const stages = known
    ? job.stages.map((stage) => (stage.task_id === next.task_id ? next : stage))
    : [...job.stages, next]
  return { ...job, stages }
}
