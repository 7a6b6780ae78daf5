/** A stretch of the recording, in seconds. Pure. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** The seconds that two spans share; below zero it is the gap between them. */
export function sharedSeconds(one: Span, other: Span): number {
  return Math.min(one.end, other.end) - Math.max(one.start, other.start)
}

/** A span without length, such as a click, overlaps what it lies in; others that only touch do not. */
export function overlaps(one: Span, other: Span): boolean {
  const seconds = sharedSeconds(one, other)
  return seconds > 0 || (seconds === 0 && (one.start === one.end || other.start === other.end))
}

/** The one that shares most with the span, of equals the first; null when none overlaps it. */
export function mostShared<T extends Span>(spans: readonly T[], span: Span): T | null {
  let best: T | null = null
  for (const candidate of spans) {
    if (!overlaps(candidate, span)) continue
    if (best === null || sharedSeconds(candidate, span) > sharedSeconds(best, span)) best = candidate
  }
  return best
}
