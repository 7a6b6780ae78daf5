import { type Decode, isPunctuation, splitWords } from './word-split.ts'

/** A word in seconds of the chunk. */
export interface TimedWord {
  readonly text: string
  readonly start: number
  readonly end: number
  /** The mean probability of its tokens. */
  readonly probability: number
}

export interface WordTokens {
  readonly tokens: readonly number[]
  /** Natural logs. */
  readonly logProbs: readonly number[]
  /** The frame at which each token begins, and one more for what follows the last. */
  readonly frames: readonly number[]
  /** When the segment ends; no word lasts longer, but where it would end before it begins. */
  readonly endSeconds: number
}

const FRAME_SECONDS = 0.02

/** The words of a segment: a word lasts from its first token to where the token behind it begins. Pure. */
export function timedWords(segment: WordTokens, decode: Decode, language: string | null): TimedWord[] {
  const { tokens, frames, endSeconds } = segment
  const startOf = (token: number) => (frames[token] ?? 0) * FRAME_SECONDS
  return splitWords(tokens, decode, language)
    .filter((word) => word.text.trim() !== '')
    .map((word) => {
      const start = startOf(word.first)
      const last = word.end - 1
      const next = startOf(word.end)
      // A mark has no sound: a pause behind it is none of its time.
      const isMark = isPunctuation(decode(tokens.slice(last, word.end)))
      const end = isMark ? Math.min(startOf(last) + FRAME_SECONDS, next) : next
      const isCapped = end > endSeconds && endSeconds >= start
      return {
        text: word.text,
        start: rounded(start),
        end: rounded(isCapped ? endSeconds : end),
        probability: meanProbability(segment.logProbs.slice(word.first, word.end)),
      }
    })
}

export function meanProbability(logProbs: readonly number[]): number {
  return logProbs.reduce((sum, logProb) => sum + Math.exp(logProb), 0) / Math.max(1, logProbs.length)
}

/** To hundredths, where frames lie. */
function rounded(seconds: number): number {
  return Math.round(seconds * 100) / 100
}
