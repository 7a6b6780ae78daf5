import { z } from 'zod'
import { Seconds } from './audio.ts'
import { Language } from './language.ts'

/** Unknown confidence is null, never invented. */
export const Confidence = z.number().min(0).max(1).nullable()

export const Word = z.strictObject({ text: z.string(), start: Seconds, end: Seconds, confidence: Confidence })
export type Word = z.infer<typeof Word>

/** A sound that is no speech: laughter, music, a door. */
export const AudioEvent = z.strictObject({
  label: z.string().min(1).max(50),
  start: Seconds,
  end: Seconds,
  confidence: Confidence,
})
export type AudioEvent = z.infer<typeof AudioEvent>

/** One line of a transcript artifact (JSON Lines, in time order). */
export const Segment = z.strictObject({
  id: z.int().min(0),
  start: Seconds,
  end: Seconds,
  text: z.string(),
  confidence: Confidence,
  speaker: z.string().nullable(),
  words: z.array(Word),
  /** Present where a text decoder made it: how sure it was, by its own measures. */
  decoding: z
    .strictObject({
      temperature: z.number(),
      /** The mean natural logarithm of the tokens' probabilities. */
      avg_logprob: z.number(),
      /** Size of the text over its compressed size: far above 2 it repeats itself. */
      compression_ratio: z.number(),
      no_speech_prob: z.number().min(0).max(1).nullable(),
    })
    .optional(),
  /** Present where channels were transcribed one by one. */
  channel: z.int().min(0).optional(),
  /** Present where emotions were asked for and found. */
  emotion: z.string().max(50).optional(),
  emotion_confidence: Confidence.optional(),
  /** Present where sound events were asked for: those that overlap the segment. */
  events: z.array(AudioEvent).max(100).optional(),
  /** Present where topics were asked for and found. */
  topics: z.array(z.string().max(100)).max(20).optional(),
})
export type Segment = z.infer<typeof Segment>

export const Granularity = z.enum(['none', 'segment', 'word'])
export type Granularity = z.infer<typeof Granularity>

export const LanguageSource = z.enum(['requested', 'detected', 'model'])

/** What a reader of the transcript should know: dropped speech, unaligned words, a stage that was skipped. */
export const PipelineWarning = z.strictObject({
  stage: z.string(),
  code: z.string(),
  message: z.string(),
  /** Of a stage that was left out: what stands in for it, and when that was decided. */
  status: z.literal('skipped').optional(),
  fallback: z.string().optional(),
  timestamp: z.iso.datetime().optional(),
})
export type PipelineWarning = z.infer<typeof PipelineWarning>

/** The metadata of a finished transcript. Asked and achieved granularity both stand. */
export const TranscriptSummary = z.strictObject({
  language: Language.nullable(),
  language_source: LanguageSource.nullable(),
  granularity_requested: Granularity,
  granularity_achieved: Granularity,
  no_speech: z.boolean(),
  segment_count: z.int().min(0),
  word_count: z.int().min(0),
  character_count: z.int().min(0),
  /** Speakers told apart; null where nobody asked. */
  speaker_count: z.int().min(0).nullable(),
  warnings: z.array(PipelineWarning).max(100),
})
export type TranscriptSummary = z.infer<typeof TranscriptSummary>
