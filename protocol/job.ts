import { z } from 'zod'
import { Seconds } from './audio.ts'
import { AgentId, JobId, ModelId, Pool, TaskId } from './ids.ts'
import { Language } from './language.ts'
import { Stage } from './stage.ts'
import { AlignmentSource, DiarizationSource } from './summary.ts'
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

/** High goes before normal, normal before low; waiting lifts a task by one class after another. */
export const Priority = z.enum(['high', 'normal', 'low'])
export type Priority = z.infer<typeof Priority>

const Timestamp = z.iso.datetime()

/** A failure as callers read it: which stage, a stable code, a sentence. */
export const JobError = z.strictObject({
  code: z.string(),
  message: z.string(),
  stage: Stage.nullable(),
})
export type JobError = z.infer<typeof JobError>

/**
 * One stage of a job as API, CLI and console show it. Engine and model are the ones that run it, before that the ones
 * that were selected. `why` says what a waiting stage waits for, and why a running one runs where it does.
 */
export const StageView = z.strictObject({
  task_id: TaskId,
  stage: Stage,
  /** The channel that it handles; null for all of them. */
  channel: z.int().min(0).nullable(),
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

/** When the job will be done, as far as it can be told: `measured` from runs on these engines, else `prior`. */
export const Eta = z.strictObject({
  remaining_seconds: z.number().min(0),
  /** The band: half of all such jobs end within it. */
  low_seconds: z.number().min(0),
  high_seconds: z.number().min(0),
  completes_at: Timestamp,
  source: z.enum(['measured', 'prior']),
})
export type Eta = z.infer<typeof Eta>

export const JobProgress = z.strictObject({
  overall: z.int().min(0).max(100),
  current_stage: Stage.nullable(),
  current_stage_progress: z.number().min(0).max(100).nullable(),
  eta: Eta.nullable(),
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
  speaker_count: z.int().min(0).nullable(),
  alignment_source: AlignmentSource.nullable(),
  diarization_source: DiarizationSource.nullable(),
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
  priority: Priority,
  progress: JobProgress,
  stages: z.array(StageView),
  why: z.string().nullable(),
  error: JobError.nullable(),
  pipeline_warnings: z.array(PipelineWarning),
  result: ResultView.nullable(),
  /** The job whose finished stages were taken over. */
  rerun_of: JobId.nullable(),
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
