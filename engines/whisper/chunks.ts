import { SAMPLE_RATE_HZ, type SpeechRegion } from '#protocol/audio.ts'

/**
 * Chunks of at most 30 s for the encoder, from the regions where somebody may be speaking. Regions share a chunk as long as
 * they fit, since a chunk costs the same however little it holds; a pause between them is kept as silence of at most a
 * second, and what was there is never read. A region that does not fit is cut where it is quietest.
 */
export interface Chunk {
  readonly parts: readonly Part[]
  /** Of all parts and the pauses between them. */
  readonly samples: number
}

/** A stretch of the recording and where it lies in the chunk, in samples. */
export interface Part {
  readonly at: number
  readonly from: number
  readonly to: number
}

/** Where to cut a range of the recording: a sample between both ends. */
export type FindCut = (fromSample: number, toSample: number) => Promise<number>

export const CHUNK_SAMPLES = 30 * SAMPLE_RATE_HZ
/** A pause as long as one between sentences; a longer one says no more. */
const PAUSE_SAMPLES = SAMPLE_RATE_HZ
/** A cut is looked for in the last third, so that chunks stay well filled. */
const EARLIEST_CUT_SAMPLES = 20 * SAMPLE_RATE_HZ

export async function* chunksOf(
  regions: AsyncIterable<SpeechRegion>,
  limits: SpeechRegion,
  findCut: FindCut,
): AsyncGenerator<Chunk> {
  let parts: Part[] = []
  let end = 0
  for await (const region of regions) {
    let from = sampleOf(Math.max(region.start, limits.start))
    const to = sampleOf(Math.min(region.end, limits.end))
    while (from < to) {
      const last = parts.at(-1)
      const at = last === undefined ? 0 : end + Math.min(PAUSE_SAMPLES, Math.max(0, from - last.to))
      if (parts.length > 0 && at + (to - from) > CHUNK_SAMPLES) {
        yield { parts, samples: end }
        parts = []
        end = 0
        continue
      }
      const cut =
        to - from <= CHUNK_SAMPLES ? to : await findCut(from + EARLIEST_CUT_SAMPLES, from + CHUNK_SAMPLES)
      parts.push({ at, from, to: cut })
      end = at + (cut - from)
      from = cut
    }
  }
  if (parts.length > 0) yield { parts, samples: end }
}

export function chunkSeconds(chunk: Chunk): number {
  return chunk.samples / SAMPLE_RATE_HZ
}

/** A moment of the chunk as one of the recording. A moment in a pause is at the pause's edge that is nearer. */
export function recordingSeconds(chunk: Chunk, seconds: number): number {
  const sample = seconds * SAMPLE_RATE_HZ
  let before: Part | undefined
  for (const part of chunk.parts) {
    const end = part.at + part.to - part.from
    if (sample < part.at) {
      if (before === undefined) return part.from / SAMPLE_RATE_HZ
      const left = sample - (before.at + before.to - before.from)
      return (left <= part.at - sample ? before.to : part.from) / SAMPLE_RATE_HZ
    }
    if (sample <= end) return (part.from + sample - part.at) / SAMPLE_RATE_HZ
    before = part
  }
  return (before?.to ?? 0) / SAMPLE_RATE_HZ
}

/** The chunk from a moment on; null where less than `leastSeconds` is left. */
export function restOf(chunk: Chunk, seconds: number, leastSeconds: number): Chunk | null {
  const start = Math.round(seconds * SAMPLE_RATE_HZ)
  if (chunk.samples - start < leastSeconds * SAMPLE_RATE_HZ) return null
  const parts = chunk.parts
    .map((part) => {
      const skipped = Math.max(0, start - part.at)
      return { at: part.at + skipped, from: part.from + skipped, to: part.to }
    })
    .filter((part) => part.from < part.to)
  const first = parts[0]
  if (first === undefined) return null
  return {
    parts: parts.map((part) => ({ ...part, at: part.at - first.at })),
    samples: chunk.samples - first.at,
  }
}

/** A chunk as two: between its parts, where its middle is in a pause, else where the part in the middle is quietest. */
export async function halved(chunk: Chunk, findCut: FindCut): Promise<Chunk[]> {
  const middle = chunk.samples / 2
  const part = chunk.parts.find(({ at, from, to }) => at < middle && middle < at + to - from)
  const cut = part === undefined ? middle : await cutOf(part, middle, findCut)
  const parts = chunk.parts.flatMap((one) => {
    const kept = { ...one, to: Math.min(one.to, Math.round(one.from + cut - one.at)) }
    return kept.from < kept.to ? [kept] : []
  })
  const samples = Math.max(...parts.map(({ at, from, to }) => at + to - from))
  const rest = restOf(chunk, cut / SAMPLE_RATE_HZ, 0)
  return [{ parts, samples }, ...(rest === null ? [] : [rest])]
}

/** Where to cut a part, as a sample of the chunk: in the third of it that is nearest to the chunk's middle. */
async function cutOf(part: Part, middle: number, findCut: FindCut): Promise<number> {
  const reach = (part.to - part.from) / 6
  const center = part.from + middle - part.at
  const from = Math.round(Math.max(part.from, center - reach))
  const to = Math.round(Math.min(part.to, center + reach))
  return part.at + (await findCut(from, to)) - part.from
}

function sampleOf(seconds: number): number {
  return Math.round(seconds * SAMPLE_RATE_HZ)
}
