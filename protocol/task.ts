import { z } from 'zod'
import { Seconds } from './audio.ts'
import { EngineId, ModelId } from './ids.ts'
import { Language } from './language.ts'
import { Stage } from './stage.ts'
import { Granularity, PipelineWarning, TranscriptSummary } from './transcript.ts'

/** An object in R2 that a task reads or wrote. The name is what the engine calls it, the key where it lies. */
export const Artifact = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, 'expected an artifact name such as audio.s16'),
  key: z.string().min(1).max(500),
  size_bytes: z.int().min(0),
  content_type: z.string().min(1).max(100),
})
export type Artifact = z.infer<typeof Artifact>

/** What an engine must bring to run a task, including what the DAG's shape relied on. */
export const Requirements = z.strictObject({
  stage: Stage,
  engine_id: EngineId.nullable(),
  model_id: ModelId.nullable(),
  language: Language.nullable(),
  word_timestamps: z.boolean(),
  split_channels: z.boolean(),
})
export type Requirements = z.infer<typeof Requirements>

/** The stage's own parameters, as the engine receives them. */
export const TaskParameters = z.strictObject({
  /** The caller's file name: a hint for decoding, never a path. */
  file_name: z.string().nullable(),
  language: Language.nullable(),
  granularity: Granularity,
  /** Known after prepare. */
  audio_seconds: Seconds.nullable(),
})
export type TaskParameters = z.infer<typeof TaskParameters>

export const PrepareSummary = z.strictObject({
  stage: z.literal('prepare'),
  duration_seconds: Seconds,
  source: z.strictObject({
    container: z.string(),
    codec: z.string(),
    channels: z.int().min(1),
    sample_rate_hz: z.int().min(1),
  }),
  /** Decibels relative to full scale; null for digital silence. */
  loudness_dbfs: z.number().nullable(),
  peak_dbfs: z.number().nullable(),
  speech_seconds: Seconds,
  decoder: z.enum(['built_in', 'ffmpeg', 'node_av']),
  warnings: z.array(PipelineWarning).max(20),
})
export type PrepareSummary = z.infer<typeof PrepareSummary>

export const TranscribeSummary = TranscriptSummary.extend({ stage: z.literal('transcribe') })
export type TranscribeSummary = z.infer<typeof TranscribeSummary>

export const MergeSummary = TranscriptSummary.extend({ stage: z.literal('merge') })
export type MergeSummary = z.infer<typeof MergeSummary>

export const StageSummary = z.discriminatedUnion('stage', [PrepareSummary, TranscribeSummary, MergeSummary])
export type StageSummary = z.infer<typeof StageSummary>

/** Where an attempt spent its time. */
export const TaskMetrics = z.strictObject({
  transfer_ms: z.int().min(0),
  load_ms: z.int().min(0),
  run_ms: z.int().min(0),
})
export type TaskMetrics = z.infer<typeof TaskMetrics>

/** A typed failure. Retryability is decided where the failure is understood, and travels as a field. */
export const TaskError = z.strictObject({
  code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'expected a snake_case code'),
  message: z.string().min(1).max(2000),
  retryable: z.boolean(),
})
export type TaskError = z.infer<typeof TaskError>

export const TaskOutcome = z.discriminatedUnion('status', [
  z.strictObject({
    status: z.literal('completed'),
    artifacts: z.array(Artifact).max(100),
    summary: StageSummary,
    metrics: TaskMetrics,
  }),
  z.strictObject({ status: z.literal('failed'), error: TaskError }),
  /** The agent gives the task back unfinished (drain): no attempt is counted. */
  z.strictObject({ status: z.literal('handed_back'), reason: z.string().min(1).max(500) }),
])
export type TaskOutcome = z.infer<typeof TaskOutcome>

/** `percent` is null where an engine cannot tell. */
export const Progress = z.strictObject({
  percent: z.number().min(0).max(100).nullable(),
  message: z.string().max(300).nullable(),
})
export type Progress = z.infer<typeof Progress>

/** Text that may still change. The last revision wins; `tail` is the newest part, bounded so that it fits a message. */
export const Partial = z.strictObject({
  revision: z.int().min(1),
  start: Seconds,
  end: Seconds,
  text: z.string().max(2000),
})
export type Partial = z.infer<typeof Partial>
