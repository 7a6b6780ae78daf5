/**
 * The segments that a decoder's timestamps mark (openai/whisper, `transcribe.py`). Between two timestamps in a row one segment
 * ends and the next begins. What follows the last such pair without an end was not over when the chunk was: the reference
 * decodes it again from there. Pure.
 */
export interface TokenSegment {
  /** Steps of 0.02 s from the chunk's start. */
  readonly from: number
  readonly to: number
  /** Which of the written tokens are its text, end exclusive. */
  readonly firstToken: number
  readonly endToken: number
}

export interface Split {
  readonly segments: readonly TokenSegment[]
  /** From which step on to decode again; null where all was said. */
  readonly restFrom: number | null
}

export function splitSegments(tokens: readonly number[], firstTimestamp: number, chunkSteps: number): Split {
  const stepAt = (index: number) => (tokens[index] ?? 0) - firstTimestamp
  const isTimestamp = (index: number) => stepAt(index) >= 0 && index >= 0
  const segments: TokenSegment[] = []
  let start = 0
  for (let index = 1; index < tokens.length; index++) {
    if (!isTimestamp(index - 1) || !isTimestamp(index)) continue
    segments.push(segmentOf(start, index, stepAt))
    start = index
  }
  const { length } = tokens
  const endsWithOne = isTimestamp(length - 1) && !isTimestamp(length - 2)
  if (segments.length > 0 && endsWithOne) segments.push(segmentOf(start, length, stepAt))
  else if (segments.length > 0) return { segments, restFrom: stepAt(start - 1) }
  else if (length > 0) segments.push(wholeSegment(tokens, stepAt, isTimestamp, chunkSteps))
  return { segments: segments.filter((one) => one.endToken > one.firstToken), restFrom: null }
}

/** What stands behind the last pair, as a segment that lasts to the chunk's end: for where it is not decoded again. */
export function trailingSegment(
  tokens: readonly number[],
  firstTimestamp: number,
  chunkSteps: number,
): TokenSegment | null {
  for (let index = tokens.length - 1; index > 0; index--) {
    const step = (tokens[index] ?? 0) - firstTimestamp
    if (step < 0 || (tokens[index - 1] ?? 0) < firstTimestamp) continue
    if (index + 1 === tokens.length) return null
    return { from: step, to: Math.max(step, chunkSteps), firstToken: index + 1, endToken: tokens.length }
  }
  return null
}

/** Tokens from a start timestamp to an end timestamp, both included. */
function segmentOf(start: number, end: number, stepAt: (index: number) => number): TokenSegment {
  return { from: stepAt(start), to: stepAt(end - 1), firstToken: start + 1, endToken: end - 1 }
}

/** No pair: one segment, to its last timestamp, or to the chunk's end where that is missing. */
function wholeSegment(
  tokens: readonly number[],
  stepAt: (index: number) => number,
  isTimestamp: (index: number) => boolean,
  chunkSteps: number,
): TokenSegment {
  const { length } = tokens
  const hasStart = isTimestamp(0)
  const hasEnd = length > 1 && isTimestamp(length - 1)
  return {
    from: hasStart ? stepAt(0) : 0,
    to: hasEnd ? stepAt(length - 1) : Math.max(chunkSteps, hasStart ? stepAt(0) : 0),
    firstToken: hasStart ? 1 : 0,
    endToken: hasEnd ? length - 1 : length,
  }
}
