import { z } from 'zod'
import { Seconds } from './audio.ts'
import { PipelineWarning, TranscriptSummary } from './transcript.ts'

/** What each stage says of its own run. The Job keeps it; the documents themselves lie in artifacts. */
const warnings = z.array(PipelineWarning).max(100)
const count = z.int().min(0)

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
  /** Audio files written: 1, or one a channel where that was asked. */
  channel_count: z.int().min(1).max(32),
  decoder: z.enum(['built_in', 'ffmpeg', 'node_av']),
  warnings,
})
export type PrepareSummary = z.infer<typeof PrepareSummary>

export const TranscribeSummary = TranscriptSummary.extend({ stage: z.literal('transcribe') })
export type TranscribeSummary = z.infer<typeof TranscribeSummary>

export const AlignSummary = z.strictObject({
  stage: z.literal('align'),
  word_count: count,
  /** Words that no place in the audio was found for: they keep the transcriber's times, or none. */
  unaligned_word_count: count,
  warnings,
})
export const DiarizeSummary = z.strictObject({ stage: z.literal('diarize'), speaker_count: count, warnings })
export const EmotionsSummary = z.strictObject({ stage: z.literal('detect_emotions'), count, warnings })
export const EventsSummary = z.strictObject({ stage: z.literal('detect_events'), count, warnings })
export const TopicsSummary = z.strictObject({ stage: z.literal('detect_topics'), count, warnings })
export const RefineSummary = z.strictObject({ stage: z.literal('refine'), segment_count: count, warnings })
export const PiiDetectSummary = z.strictObject({
  stage: z.literal('pii_detect'),
  entity_count: count,
  warnings,
})
export const AudioRedactSummary = z.strictObject({
  stage: z.literal('audio_redact'),
  redacted_seconds: Seconds,
  warnings,
})

/** Where words' times and speakers come from: a stage of their own, the transcriber, the channel, or a default. */
export const AlignmentSource = z.enum(['align', 'transcription'])
export const DiarizationSource = z.enum(['diarize', 'transcription', 'channel', 'default'])

export const MergeSummary = TranscriptSummary.extend({
  stage: z.literal('merge'),
  alignment_source: AlignmentSource.nullable(),
  diarization_source: DiarizationSource.nullable(),
})
export type MergeSummary = z.infer<typeof MergeSummary>

export const StageSummary = z.discriminatedUnion('stage', [
  PrepareSummary,
  TranscribeSummary,
  AlignSummary,
  DiarizeSummary,
  EmotionsSummary,
  EventsSummary,
  TopicsSummary,
  RefineSummary,
  PiiDetectSummary,
  AudioRedactSummary,
  MergeSummary,
])
export type StageSummary = z.infer<typeof StageSummary>
