import { z } from 'zod'
import { Seconds } from './audio.ts'
import { AgentId, JobId, ModelId, Pool, TaskId } from './ids.ts'
import { Language } from './language.ts'
import { Stage } from './stage.ts'
import { Partial, Progress } from './task.ts'
import { Granularity, LanguageSource, PipelineWarning } from './transcript.ts'

export const JobStatus = z.enum(['pending', 'running', 'completed', 'failed', 'cancelled'])
export type JobStatus = z.infer<typeof JobStatus>

export const TaskStatus = z.enum([
  'pending',
  'ready',
  'running',
  'completed',
  'failed',
  'skipped',
  'cancelled',
])
export type TaskStatus = z.infer<typeof TaskStatus>

export function isTerminal(status: JobStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled'
}

const Timestamp = z.iso.datetime()

/** A failure as callers read it: which stage, a stable code, a sentence. */
export const JobError = z.strictObject({
  code: z.string(),
  message: z.string(),
  stage: Stage.nullable(),
})
export type JobError = z.infer<typeof JobError>

/** One stage of a job as API, CLI and console show it. `why` says what a waiting stage waits for. */
export const StageView = z.strictObject({
  task_id: TaskId,
  stage: Stage,
  status: TaskStatus,
  required: z.boolean(),
  engine_id: z.string().nullable(),
  model_id: ModelId.nullable(),
  agent_id: AgentId.nullable(),
  attempt: z.int().min(0),
  ready_at: Timestamp.nullable(),
  started_at: Timestamp.nullable(),
  completed_at: Timestamp.nullable(),
  wait_ms: z.int().min(0).nullable(),
  duration_ms: z.int().min(0).nullable(),
  progress: Progress.nullable(),
  why: z.string().nullable(),
  error: JobError.nullable(),
})
export type StageView = z.infer<typeof StageView>

export const JobProgress = z.strictObject({
  overall: z.int().min(0).max(100),
  current_stage: Stage.nullable(),
  current_stage_progress: z.number().min(0).max(100).nullable(),
})
export type JobProgress = z.infer<typeof JobProgress>

/** What the finished transcript says about itself; null until the job completed. */
export const ResultView = z.strictObject({
  language: Language.nullable(),
  language_source: LanguageSource.nullable(),
  granularity_requested: Granularity,
  granularity_achieved: Granularity,
  no_speech: z.boolean(),
  segment_count: z.int().min(0),
  word_count: z.int().min(0),
  character_count: z.int().min(0),
  /** True: made by the small model that ships with the project, which is there for trying the system. */
  embedded_model: z.boolean(),
})
export type ResultView = z.infer<typeof ResultView>

/** A job without its transcript: what `snapshot` carries and what `GET` begins with. */
export const JobView = z.strictObject({
  id: JobId,
  status: JobStatus,
  name: z.string().nullable(),
  pool: Pool,
  model: z.string(),
  language: z.string(),
  created_at: Timestamp,
  started_at: Timestamp.nullable(),
  completed_at: Timestamp.nullable(),
  audio_duration_seconds: Seconds.nullable(),
  progress: JobProgress,
  stages: z.array(StageView),
  why: z.string().nullable(),
  error: JobError.nullable(),
  pipeline_warnings: z.array(PipelineWarning),
  result: ResultView.nullable(),
})
export type JobView = z.infer<typeof JobView>

/** One row of the list. */
export const JobSummary = z.strictObject({
  id: JobId,
  status: JobStatus,
  name: z.string().nullable(),
  model: z.string(),
  language: z.string(),
  created_at: Timestamp,
  started_at: Timestamp.nullable(),
  completed_at: Timestamp.nullable(),
  audio_duration_seconds: Seconds.nullable(),
  word_count: z.int().min(0).nullable(),
  error: JobError.nullable(),
})
export type JobSummary = z.infer<typeof JobSummary>

export const LivePartial = Partial.extend({ task_id: TaskId })
export type LivePartial = z.infer<typeof LivePartial>
