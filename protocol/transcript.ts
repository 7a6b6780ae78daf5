import { z } from 'zod'
import { Seconds } from './audio.ts'
import { Language } from './language.ts'

/** Unknown confidence is null, never invented. */
export const Confidence = z.number().min(0).max(1).nullable()

export const Word = z.strictObject({ text: z.string(), start: Seconds, end: Seconds, confidence: Confidence })
export type Word = z.infer<typeof Word>

/** One line of a transcript artifact (JSON Lines, in time order). */
export const Segment = z.strictObject({
  id: z.int().min(0),
  start: Seconds,
  end: Seconds,
  text: z.string(),
  confidence: Confidence,
  speaker: z.string().nullable(),
  words: z.array(Word),
})
export type Segment = z.infer<typeof Segment>

export const Granularity = z.enum(['none', 'segment', 'word'])
export type Granularity = z.infer<typeof Granularity>

export const LanguageSource = z.enum(['requested', 'detected', 'model'])

/** What a reader of the transcript should know: dropped speech, unaligned words, a fallback. */
export const PipelineWarning = z.strictObject({
  stage: z.string(),
  code: z.string(),
  message: z.string(),
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
  warnings: z.array(PipelineWarning).max(100),
})
export type TranscriptSummary = z.infer<typeof TranscriptSummary>
