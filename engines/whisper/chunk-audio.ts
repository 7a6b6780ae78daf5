import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import { SampleReader } from '../audio/sample-reader.ts'
import type { Chunk } from './chunks.ts'

/** A fifth of a second: shorter than a word, longer than the closure of a consonant. */
const CUT_SAMPLES = SAMPLE_RATE_HZ / 5
const HOP_SAMPLES = SAMPLE_RATE_HZ / 50

/** The sound of chunks from a raw s16le file: only their parts are read. */
export class ChunkAudio implements AsyncDisposable {
  readonly #reader: SampleReader

  private constructor(reader: SampleReader) {
    this.#reader = reader
  }

  static async open(path: string): Promise<ChunkAudio> {
    return new ChunkAudio(await SampleReader.open(path))
  }

  /** Fills `into`, 30 s of samples from −1 to 1: the chunk's parts, and silence everywhere else. */
  async read(chunk: Chunk, into: Float32Array): Promise<void> {
    into.fill(0)
    for (const { at, from, to } of chunk.parts)
      await this.#reader.read(from, into.subarray(at, at + to - from))
  }

  /** The middle of the quietest fifth of a second of a range; the last of equal ones. */
  async quietest(fromSample: number, toSample: number): Promise<number> {
    const samples = new Float32Array(toSample - fromSample)
    const { length } = samples.subarray(0, await this.#reader.read(fromSample, samples))
    let least = Number.POSITIVE_INFINITY
    let quietest = 0
    for (let at = 0; at + CUT_SAMPLES <= length; at += HOP_SAMPLES) {
      const energy = energyOf(samples, at)
      if (energy > least) continue
      least = energy
      quietest = at
    }
    return fromSample + quietest + CUT_SAMPLES / 2
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]()
  }
}

function energyOf(samples: Float32Array, from: number): number {
  let energy = 0
  for (let at = from; at < from + CUT_SAMPLES; at++) energy += (samples[at] ?? 0) ** 2
  return energy
}
