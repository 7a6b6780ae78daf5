import { z } from 'zod'
import { Seconds } from './audio.ts'
import { EngineId, ModelId } from './ids.ts'
import { Language } from './language.ts'
import { Stage } from './stage.ts'
import { StageSummary } from './summary.ts'
import { Granularity } from './transcript.ts'

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
  /** The engine itself tells speakers apart: the shape has no diarize stage. */
  diarization: z.boolean(),
  /** English text of speech in another language. */
  translation: z.boolean().default(false),
  split_channels: z.boolean(),
  /** Native streaming. */
  streaming: z.boolean(),
})
export type Requirements = z.infer<typeof Requirements>

/** How many speakers there are, as far as the caller knows. */
export const SpeakerHints = z.strictObject({
  count: z.int().min(1).max(32).nullable(),
  min: z.int().min(1).max(32).nullable(),
  max: z.int().min(1).max(32).nullable(),
})
export type SpeakerHints = z.infer<typeof SpeakerHints>

export const EntityType = z.string().regex(/^[a-z][a-z0-9_]{0,49}$/, 'expected an entity type such as email')
export const RedactionMode = z.enum(['silence', 'beep'])

export const SpeechTask = z.enum(['transcribe', 'translate'])
export const PromptText = z.string().min(1).max(2000)
export const Vocabulary = z.array(z.string().trim().min(1).max(100)).max(100)

/** The stage's own parameters, as the engine receives them. */
export const TaskParameters = z.strictObject({
  /** The caller's file name: a hint for decoding, never a path. */
  file_name: z.string().nullable(),
  language: Language.nullable(),
  granularity: Granularity,
  /** `translate`: English text, whatever is spoken. */
  task: SpeechTask.default('transcribe'),
  /** Text that might stand before the recording: its spelling and style are kept up. */
  prompt: PromptText.nullable().default(null),
  /** Names and terms that are likely to be said. */
  vocabulary: Vocabulary.default([]),
  /** Of the decoding; null leaves it to the engine, which begins at 0 and rises where the text looks wrong. */
  temperature: z.number().min(0).max(1).nullable().default(null),
  /** Known after prepare. */
  audio_seconds: Seconds.nullable(),
  /** The channel that this task handles; null for all of them. */
  channel: z.int().min(0).nullable(),
  /** Prepare writes one `audio.ch<n>.s16` for each channel. */
  split_channels: z.boolean(),
  /** Tell speakers apart: diarize, and a transcriber whose own diarization the shape relies on. */
  speakers: SpeakerHints.nullable(),
  redaction: z
    .strictObject({
      entity_types: z.array(EntityType).max(100).nullable(),
      mode: RedactionMode,
    })
    .nullable(),
})
export type TaskParameters = z.infer<typeof TaskParameters>

/** Where an attempt spent its time. */
export const TaskMetrics = z.strictObject({
  transfer_ms: z.int().min(0),
  /** Dropping another model to make room. */
  swap_ms: z.int().min(0).default(0),
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
