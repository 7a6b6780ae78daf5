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

/** Nobody says more characters a second: fast English has 25. */
const MOST_CHARACTERS_A_SECOND = 40

export interface Repetition extends Decoding {
  readonly isCut: boolean
  /** Of the text, over the time from its first timestamp to its last. */
  readonly charactersPerSecond: number
}

/**
 * Whether a text that repeats itself is kept when every temperature repeated it: people say things again and sing choruses.
 * A loop is what the model is unsure of, never ends, or says where it hears nobody speak or nobody could speak so fast.
 */
export function isSaidAgain(first: Repetition): boolean {
  const isHeard = first.noSpeechProb === null || first.noSpeechProb <= NO_SPEECH_LIMIT
  const isSayable = first.charactersPerSecond <= MOST_CHARACTERS_A_SECOND
  return !first.isCut && first.avgLogProb >= LOG_PROB_FLOOR && isHeard && isSayable
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
