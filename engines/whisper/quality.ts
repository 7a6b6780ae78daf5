import { deflateSync } from 'node:zlib'

/**
 * Whether a decoded text can be believed: the gates of the reference (openai/whisper, `transcribe.py`), with its thresholds.
 * Pure.
 */
export const COMPRESSION_LIMIT = 2.4
export const LOG_PROB_FLOOR = -1
export const NO_SPEECH_LIMIT = 0.6
const STEP = 0.2

export interface Decoding {
  readonly avgLogProb: number
  readonly compressionRatio: number
  /** Null: the model has no token for it. */
  readonly noSpeechProb: number | null
}

export type Verdict = 'good' | 'silence' | 'repetition' | 'unlikely'

/** `repetition` and `unlikely` ask for another try at a higher temperature; `silence` is what nobody said. */
export function verdict(decoding: Decoding): Verdict {
  const { avgLogProb, compressionRatio, noSpeechProb } = decoding
  if (noSpeechProb !== null && noSpeechProb > NO_SPEECH_LIMIT && avgLogProb < LOG_PROB_FLOOR) return 'silence'
  if (compressionRatio > COMPRESSION_LIMIT) return 'repetition'
  if (avgLogProb < LOG_PROB_FLOOR) return 'unlikely'
  return 'good'
}

/**
 * Whether a text that repeats itself is kept when every temperature repeated it: people say things again and sing choruses.
 * A loop is what the model is unsure of, or never ends.
 */
export function isSaidAgain(first: Decoding & { readonly isCut: boolean }): boolean {
  return !first.isCut && first.avgLogProb >= LOG_PROB_FLOOR
}

/** What is tried in turn: from 0 up, or only what the caller asked for. */
export function temperatures(asked: number | null): number[] {
  if (asked !== null && asked > 0) return [asked]
  return Array.from({ length: 6 }, (_, index) => Math.round(index * STEP * 10) / 10)
}

/** Bytes of the text over those of its compressed form (zlib): a text that repeats itself compresses well. */
export function compressionRatio(text: string): number {
  const bytes = Buffer.from(text)
  if (bytes.length === 0) return 0
  return bytes.length / deflateSync(bytes).length
}
