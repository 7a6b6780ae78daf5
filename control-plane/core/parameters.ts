import type { EngineId, ModelId } from '#protocol/ids.ts'
import type { Priority } from '#protocol/job.ts'
import type { OptionalStage, Stage } from '#protocol/stage.ts'
import type { CreateJobFields } from '#protocol/submit.ts'
import type { SpeakerHints, TaskParameters } from '#protocol/task.ts'
import type { Granularity } from '#protocol/transcript.ts'

/** What the caller asked for, with the server's defaults filled in. Pure data. */
export interface JobParameters {
  /** The models that were named; a stage without one takes the best that runs. */
  readonly models: Readonly<Partial<Record<Stage, ModelId>>>
  readonly enginePreference: EnginePreference
  /** Null for `auto`. */
  readonly language: string | null
  readonly granularity: Granularity
  /** Absent in jobs that were stored before it could be asked. */
  readonly speech?: Speech
  readonly speakerDetection: CreateJobFields['speaker_detection']
  readonly speakers: SpeakerHints | null
  /** The stages that enrich the transcript, as asked. */
  readonly enrichment: readonly Enrichment[]
  readonly piiDetection: boolean
  readonly redactPiiAudio: boolean
  readonly redaction: TaskParameters['redaction']
  /** `pipeline.stages.<stage>.required`, where the caller said so. */
  readonly required: Readonly<Partial<Record<Stage, boolean>>>
  readonly priority: Priority
  readonly unavailable: { readonly behavior: 'fail' | 'wait'; readonly waitMs: number }
}

/** What recognition is told besides the language. */
export type Speech = Pick<TaskParameters, 'task' | 'prompt' | 'vocabulary' | 'temperature'>

export const PLAIN_SPEECH: Speech = { task: 'transcribe', prompt: null, vocabulary: [], temperature: null }

export type Enrichment = Exclude<OptionalStage, 'align' | 'diarize'>

/** Null: whatever ranks best; `modular`: one stage an engine; else the engine that transcribes. */
export type EnginePreference = EngineId | 'modular' | null

/** Whether text may leave before it is redacted, and what the merged transcript is made of. */
export function asksRedaction({ piiDetection, redactPiiAudio }: JobParameters): boolean {
  return piiDetection || redactPiiAudio
}
