import { roundSeconds, type SpeechRegion } from '#protocol/audio.ts'

/** What the network sees at once, in seconds of the recording. */
export interface Window {
  readonly start: number
  readonly end: number
  /** It goes on inside speech: its beginning lies also in the window before, from `start` to here; else null. */
  readonly sharedUntil: number | null
}

export interface WindowOptions {
  readonly limits: SpeechRegion
  /** Windows begin on this grid, so that times are those of one pass over the whole. */
  readonly frameSeconds: number
  readonly mostSeconds: number
}

/** Sound around a region that the network hears with it: what speech detection may have cut off. */
const MARGIN_SECONDS = 0.24
/** A longer silence is cheaper left out than computed. */
const LONGEST_GAP_SECONDS = 3
/**
 * What two windows share where speech does not pause: several words are whole in both (4 s hold ten at 150 a minute). A
 * quarter of a window at most.
 */
const SHARED_SECONDS = 4
const MOST_SHARED = 1 / 4

/**
 * Speech regions, in time order, as windows: neighbours are joined while they fit, so cuts fall into silences. A region
 * that does not fit is cut into equal windows that share a few seconds. Memory does not grow with the recording. Pure.
 */
export async function* windowsOf(
  regions: AsyncIterable<SpeechRegion> | Iterable<SpeechRegion>,
  options: WindowOptions,
): AsyncGenerator<Window> {
  const { limits, mostSeconds } = options
  const onGrid = (seconds: number) => {
    const frame = Math.floor((seconds - limits.start) / options.frameSeconds + 1e-6)
    return roundSeconds(limits.start + frame * options.frameSeconds)
  }
  let open: Window | null = null as Window | null
  for await (const region of regions) {
    const from = Math.max(limits.start, region.start - MARGIN_SECONDS)
    const to = roundSeconds(Math.min(limits.end, region.end + MARGIN_SECONDS))
    if (to <= from) continue
    const joins =
      open !== null && from - open.end <= LONGEST_GAP_SECONDS && to - open.start <= mostSeconds + 1e-6
    if (open !== null && joins) {
      open = { ...open, end: Math.max(open.end, to) }
      continue
    }
    if (open !== null) yield open
    const start: number = onGrid(Math.max(from, open?.end ?? limits.start))
    const pieces: Window[] = cut({ start: Math.max(limits.start, start), end: to }, mostSeconds, onGrid)
    // The last piece may take the next region in.
    for (const piece of pieces.slice(0, -1)) yield piece
    open = pieces.at(-1) ?? null
  }
  if (open !== null) yield open
}

/** Equal windows that share `SHARED_SECONDS`; one where it fits. */
function cut(
  stretch: { readonly start: number; readonly end: number },
  mostSeconds: number,
  onGrid: (seconds: number) => number,
): Window[] {
  const seconds = stretch.end - stretch.start
  if (seconds <= mostSeconds + 1e-6) return [{ ...stretch, sharedUntil: null }]
  const shared = Math.min(SHARED_SECONDS, mostSeconds * MOST_SHARED)
  const count = Math.ceil((seconds - shared) / (mostSeconds - shared) - 1e-6)
  const step = (seconds - shared) / count
  return Array.from({ length: count }, (_, index) => ({
    start: onGrid(stretch.start + index * step),
    end: index === count - 1 ? stretch.end : roundSeconds(stretch.start + (index + 1) * step + shared),
    sharedUntil: index === 0 ? null : roundSeconds(stretch.start + index * step + shared),
  }))
}
