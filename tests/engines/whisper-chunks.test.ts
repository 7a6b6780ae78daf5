import { writeFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { ChunkAudio } from '#engines/whisper/chunk-audio.ts'
import { CHUNK_SAMPLES, type Chunk, chunksOf, recordingSeconds, restOf } from '#engines/whisper/chunks.ts'
import { splitSegments, trailingSegment } from '#engines/whisper/segments.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const RATE = 16_000
const TEN_HOURS = 36_000

async function all(
  regions: readonly (readonly [number, number])[],
  cut = async (_from: number, to: number) => to,
): Promise<Chunk[]> {
  const listed = async function* () {
    for (const [start, end] of regions) yield { start, end }
  }
  return Array.fromAsync(chunksOf(listed(), { start: 0, end: TEN_HOURS }, cut))
}

const seconds = (samples: number) => samples / RATE

describe('chunks', () => {
  it('[WH3] regions share a chunk while they fit; a pause between them is a second at most', async () => {
    const [first, second, ...rest] = await all([
      [1, 9],
      [9.5, 15],
      [60, 70],
      [71, 90],
    ])
    expect(rest).toEqual([])
    expect(first?.parts.map(({ at, from, to }) => [at, from, to].map(seconds))).toEqual([
      [0, 1, 9],
      [8.5, 9.5, 15],
      [15, 60, 70],
    ])
    expect(second?.parts.map(({ at, from, to }) => [at, from, to].map(seconds))).toEqual([[0, 71, 90]])
    expect(seconds(first?.samples ?? 0)).toBe(25)
  })

  it('[WH3] a region that is too long is cut where it is quietest, in its last third', async () => {
    const asked: number[][] = []
    const chunks = await all([[5, 65]], async (from, to) => {
      asked.push([seconds(from), seconds(to)])
      return from + 4 * RATE
    })
    expect(asked).toEqual([
      [25, 35],
      [49, 59],
    ])
    expect(chunks.map(({ parts }) => parts.map(({ from, to }) => [from, to].map(seconds)))).toEqual([
      [[5, 29]],
      [[29, 53]],
      [[53, 65]],
    ])
  })

  it('[WH3] ten hours: every sample of speech is in one chunk, none is longer than 30 s', async () => {
    const regions = Array.from({ length: 4000 }, (_, index) => {
      const start = index * 9
      return [start, start + 1 + ((index * 37) % 80) / 10] as const
    })
    const chunks = await all(regions)
    let at = 0
    let samples = 0
    for (const chunk of chunks) {
      expect(chunk.samples).toBeLessThanOrEqual(CHUNK_SAMPLES)
      for (const { from, to } of chunk.parts) {
        expect(from).toBeGreaterThanOrEqual(at)
        at = to
        samples += to - from
      }
    }
    const spoken = regions.reduce((sum, [start, end]) => sum + Math.round(end * RATE) - Math.round(start * RATE), 0)
    expect(samples).toBe(spoken)
  })

  it('[WH3] moments of a chunk are moments of the recording, and those of a pause its nearer edge', async () => {
    const [chunk] = await all([
      [10, 12],
      [20, 22],
    ])
    if (chunk === undefined) throw new Error('there is a chunk')
    expect([0, 1, 2, 2.4, 2.6, 3, 4.5, 5, 29].map((moment) => recordingSeconds(chunk, moment))).toEqual([
      10, 11, 12, 12, 20, 20, 21.5, 22, 22,
    ])
  })

  it('[WH9] the rest of a chunk begins where it is asked to, and is nothing where little is left', async () => {
    const [chunk] = await all([
      [10, 12],
      [20, 26],
    ])
    if (chunk === undefined) throw new Error('there is a chunk')
    const rest = restOf(chunk, 5, 1)
    expect(rest?.parts.map(({ at, from, to }) => [at, from, to].map(seconds))).toEqual([[0, 22, 26]])
    expect(restOf(chunk, 2.5, 1)?.parts.map(({ at, from }) => [at, from].map(seconds))).toEqual([[0, 20]])
    expect(restOf(chunk, 8.5, 1)).toBeNull()
  })

  it('[WH3] only the parts are read, the quietest fifth of a second is found', async () => {
    const path = folder.join('audio.s16')
    const samples = Int16Array.from({ length: 4 * RATE }, (_, at) => (at > 2 * RATE && at < 2.4 * RATE ? 10 : 1000))
    writeFileSync(path, new Uint8Array(samples.buffer))
    await using audio = await ChunkAudio.open(path)
    const cut = seconds(await audio.quietest(RATE, 4 * RATE))
    expect(cut).toBeGreaterThan(2.09)
    expect(cut).toBeLessThan(2.31)
    const into = new Float32Array(CHUNK_SAMPLES).fill(9)
    await audio.read({ parts: [{ at: 2, from: 0, to: 3 }, { at: 8, from: RATE, to: RATE + 1 }], samples: 9 }, into)
    const level = 1000 / 32_768
    expect(Array.from(into.subarray(0, 10), (one) => Math.round(one / level))).toEqual([0, 0, 1, 1, 1, 0, 0, 0, 1, 0])
  })
})

describe('segments', () => {
  /** Text is 1, 2, 3; timestamps begin at 100. */
  const split = (...tokens: number[]) => splitSegments(tokens, 100, 500)

  it('[WH9] two timestamps in a row divide; one at the end ends the last', () => {
    expect(split(100, 1, 2, 150, 160, 3, 200)).toEqual({
      segments: [
        { from: 0, to: 50, firstToken: 1, endToken: 3 },
        { from: 60, to: 100, firstToken: 5, endToken: 6 },
      ],
      restFrom: null,
    })
  })

  it('[WH9] what follows the last pair without an end is decoded again from there', () => {
    const segments = [{ from: 0, to: 50, firstToken: 1, endToken: 3 }]
    expect(split(100, 1, 2, 150, 150)).toEqual({ segments, restFrom: 50 })
    expect(split(100, 1, 2, 150, 160, 3)).toEqual({ segments, restFrom: 50 })
    expect(trailingSegment([100, 1, 2, 150, 160, 3], 100, 500)).toEqual({ from: 60, to: 500, firstToken: 5, endToken: 6 })
    expect(trailingSegment([100, 1, 2, 150, 150], 100, 500)).toBeNull()
  })

  it('[WH9] without a pair it is one segment, to its last timestamp or the end of the chunk', () => {
    expect(split(110, 1, 2, 150).segments).toEqual([{ from: 10, to: 50, firstToken: 1, endToken: 3 }])
    expect(split(110, 1, 2).segments).toEqual([{ from: 10, to: 500, firstToken: 1, endToken: 3 }])
    expect(split(100).segments).toEqual([])
    expect(split().segments).toEqual([])
  })
})
