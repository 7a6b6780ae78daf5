import { z } from 'zod'
import { Seconds } from './audio.ts'
import { Confidence } from './transcript.ts'

/**
 * One line of the JSON Lines artifacts that stand beside a transcript, each in time order. `turns.jsonl` is of diarize,
 * `emotions.jsonl` of detect_emotions, `topics.jsonl` of detect_topics, `entities.jsonl` of pii_detect; `events.jsonl`
 * holds an `AudioEvent` a line.
 */
const span = { start: Seconds, end: Seconds }

export const SpeakerTurn = z.strictObject({ ...span, speaker: z.string().regex(/^SPEAKER_\d{2,4}$/) })
export type SpeakerTurn = z.infer<typeof SpeakerTurn>

export const EmotionSpan = z.strictObject({
  ...span,
  emotion: z.string().min(1).max(50),
  confidence: Confidence,
})
export type EmotionSpan = z.infer<typeof EmotionSpan>

export const TopicSpan = z.strictObject({
  ...span,
  topic: z.string().min(1).max(100),
  confidence: Confidence,
})
export type TopicSpan = z.infer<typeof TopicSpan>

export const PiiEntity = z.strictObject({
  ...span,
  type: z.string().min(1).max(50),
  /** Where it stands in the segment's text, in UTF-16 code units; the text itself is not repeated here. */
  segment_id: z.int().min(0),
  offset: z.int().min(0),
  length: z.int().min(1),
  confidence: Confidence,
})
export type PiiEntity = z.infer<typeof PiiEntity>
