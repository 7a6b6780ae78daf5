import { z } from 'zod'

/** The stages of a job, in the order in which a reader meets them. */
export const STAGES = [
  'prepare',
  'transcribe',
  'align',
  'diarize',
  'detect_emotions',
  'detect_events',
  'detect_topics',
  'refine',
  'pii_detect',
  'audio_redact',
  'merge',
] as const

export const Stage = z.enum(STAGES)
export type Stage = z.infer<typeof Stage>

/** Stages whose failure always fails the job: `required: false` for one of them is refused. */
export const ALWAYS_REQUIRED: ReadonlySet<Stage> = new Set([
  'prepare',
  'transcribe',
  'pii_detect',
  'audio_redact',
  'merge',
])

/** Run beside or after recognition when a job asks for them; they say what was asked, so nothing is left out silently. */
export const OPTIONAL_STAGES = [
  'align',
  'diarize',
  'detect_emotions',
  'detect_events',
  'detect_topics',
  'refine',
] as const
export type OptionalStage = (typeof OPTIONAL_STAGES)[number]

/** What stands in for an optional stage that was skipped, as `pipeline_warnings` name it. */
export const FALLBACKS: Readonly<Record<OptionalStage, string>> = {
  align: 'transcription_timestamps',
  diarize: 'single_speaker',
  detect_emotions: 'omitted',
  detect_events: 'empty',
  detect_topics: 'omitted',
  refine: 'raw_text',
}

export function isOptional(stage: Stage): stage is OptionalStage {
  return !ALWAYS_REQUIRED.has(stage)
}

/** How often a stage is run again after a counted failure. */
export const MAX_RETRIES: Readonly<Record<Stage, number>> = {
  prepare: 3,
  transcribe: 3,
  align: 2,
  diarize: 2,
  detect_emotions: 1,
  detect_events: 1,
  detect_topics: 1,
  refine: 1,
  pii_detect: 2,
  audio_redact: 2,
  merge: 3,
}
