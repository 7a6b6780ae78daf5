import { roundSeconds } from '#protocol/audio.ts'
import type { Segment, Word } from '#protocol/transcript.ts'
import { type Decoded, STEPS_A_SECOND } from './chunk-decoder.ts'
import { type Chunk, chunkSeconds, recordingSeconds, restOf } from './chunks.ts'
import { splitSegments, type TokenSegment, trailingSegment } from './segments.ts'
import { tokenFrames } from './time-warping.ts'
import { meanProbability, type TimedWord, timedWords } from './word-times.ts'

/** A segment that has no number yet. */
export type Draft = Omit<Segment, 'id'>

export interface ChunkSegments {
  readonly segments: readonly Draft[]
  /** What the model left for another look; null where it said all. */
  readonly rest: Chunk | null
  /** It came to no end and marked none inside: all of the chunk is too much for one look. */
  readonly isTooMuch: boolean
}

export interface SegmentOptions {
  readonly textOf: (tokens: readonly number[]) => string
  readonly firstTimestamp: number
  readonly language: string | null
  readonly filterWidth: number
}

/** Less than this is not worth another look, neither what is left nor what was passed: what was said of it stands. */
const LEAST_REST_SECONDS = 1

/** A decoded chunk as segments at the times of the recording. Uses up its attention. Pure. */
export function chunkSegments(decoded: Decoded, options: SegmentOptions): ChunkSegments {
  const { chunk, tokens } = decoded
  const seconds = chunkSeconds(chunk)
  const steps = Math.ceil(seconds * STEPS_A_SECOND)
  const split = splitSegments(tokens, options.firstTimestamp, steps)
  const isTooMuch = decoded.isCut && split.restFrom === null && seconds >= 2 * LEAST_REST_SECONDS
  if (isTooMuch) return { segments: [], rest: null, isTooMuch }
  const rest = split.restFrom === null ? null : laterPart(decoded, split.restFrom / STEPS_A_SECOND)
  const trailing =
    split.restFrom !== null && rest === null ? trailingSegment(tokens, options.firstTimestamp, steps) : null
  const frames = framesOf(decoded, options.filterWidth)
  const drafts = [...split.segments, ...(trailing === null ? [] : [trailing])].map((segment) =>
    draftOf(segment, decoded, frames, options),
  )
  return { segments: drafts.filter((draft) => draft.text !== ''), rest, isTooMuch }
}

/**
 * The rest of a chunk, if it is less than the chunk: so that looking again comes to an end. A text that found no room for its
 * end said nothing of what follows, however little it passed.
 */
function laterPart({ chunk, isCut }: Decoded, seconds: number): Chunk | null {
  const isWorthIt = isCut ? seconds > 0 : seconds >= LEAST_REST_SECONDS
  return isWorthIt ? restOf(chunk, seconds, LEAST_REST_SECONDS) : null
}

/** Where each token begins, and what follows the last; null without attention. */
function framesOf(decoded: Decoded, filterWidth: number): number[] | null {
  const { attention, prefixLength, tokens } = decoded
  if (attention === null || tokens.length === 0) return null
  // The row of a token is the one that read the token before it: there the network looks for what comes next.
  const frames = Array.from(tokenFrames(attention, prefixLength - 1, filterWidth))
  while (frames.length <= tokens.length) frames.push(attention.frames)
  return frames
}

function draftOf(
  segment: TokenSegment,
  decoded: Decoded,
  frames: readonly number[] | null,
  options: SegmentOptions,
): Draft {
  const { chunk } = decoded
  const { firstToken, endToken } = segment
  const logProbs = decoded.logProbs.slice(firstToken, endToken)
  const text = decoded.tokens.slice(firstToken, endToken)
  const at = (seconds: number) =>
    roundSeconds(recordingSeconds(chunk, Math.min(seconds, chunkSeconds(chunk))))
  const endSeconds = segment.to / STEPS_A_SECOND
  const words =
    frames === null
      ? []
      : timedWords(
          { tokens: text, logProbs, frames: frames.slice(firstToken, endToken + 1), endSeconds },
          options.textOf,
          options.language,
        )
  return {
    ...fitted(
      at(segment.from / STEPS_A_SECOND),
      at(endSeconds),
      words.map((word) => wordOf(word, at)),
    ),
    text: options.textOf(text).trim(),
    confidence: roundProbability(meanProbability(logProbs)),
    speaker: null,
    decoding: {
      temperature: decoded.temperature,
      avg_logprob: rounded(decoded.avgLogProb),
      compression_ratio: rounded(decoded.compressionRatio),
      no_speech_prob: decoded.noSpeechProb === null ? null : roundProbability(decoded.noSpeechProb),
    },
  }
}

/** Attention tells a word's place better than a timestamp does, but not across a pause. */
const PAUSE_SECONDS = 0.5

/**
 * A segment lasts from its first word to its last one; a word at an edge that reaches far beyond the segment's timestamp is
 * held there instead (openai/whisper, `timing.py`: `add_word_timestamps`).
 */
function fitted(
  start: number,
  end: number,
  words: readonly Word[],
): Pick<Segment, 'start' | 'end' | 'words'> {
  const fit = [...words]
  const [first, last] = [fit[0], fit.at(-1)]
  if (first === undefined || last === undefined) return { start, end, words: [] }
  const startsEarly = start < first.end && start - PAUSE_SECONDS > first.start
  if (startsEarly) fit[0] = { ...first, start }
  const endsLate = end > last.start && end + PAUSE_SECONDS < last.end
  if (endsLate) fit[fit.length - 1] = { ...(fit.at(-1) ?? last), end }
  return { start: fit[0]?.start ?? start, end: fit.at(-1)?.end ?? end, words: fit }
}

function wordOf(word: TimedWord, at: (seconds: number) => number): Word {
  return {
    text: word.text.trim(),
    start: at(word.start),
    end: at(word.end),
    confidence: roundProbability(word.probability),
  }
}

function roundProbability(value: number): number {
  return rounded(Math.min(1, Math.max(0, value)))
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}
