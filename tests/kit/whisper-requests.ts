import { expect } from 'vitest'
import { CHUNK_SAMPLES } from '#engines/whisper/chunks.ts'
import type { Hidden } from '#engines/whisper/encoder.ts'
import type { Generated, GenerateRequest } from '#engines/whisper/generate.ts'
import type { WhisperModel } from '#engines/whisper/model-folder.ts'
import { prefixOf } from '#engines/whisper/prompt.ts'
import { seeded } from './seeded.ts'

/** 30 s of noise, another in each row. */
export function noiseOf(row: number, quietest = 0.1): Float32Array {
  const random = seeded(row)
  return Float32Array.from({ length: CHUNK_SAMPLES }, () => (random() - 0.5) * (quietest + row / 3))
}

/** What the encoder makes of a sound in each row. */
export async function heardIn(
  model: WhisperModel,
  rows: number,
  soundOf: (row: number) => Float32Array,
): Promise<Hidden> {
  const hidden = model.encoder.hidden(rows)
  for (let row = 0; row < rows; row++) {
    const samples = new Float32Array(CHUNK_SAMPLES)
    samples.set(soundOf(row))
    await model.encoder.encode(samples, hidden, row)
  }
  return hidden
}

/** Greedy, with all that times are made of; rows differ in how much of them is sound. */
export function greedyRequest(
  model: WhisperModel,
  hidden: Hidden,
  change: Partial<GenerateRequest> = {},
): GenerateRequest {
  return {
    hidden,
    rows: Array.from({ length: hidden.rows }, (_, row) => ({
      lastTimestamp: 40 + 500 * row,
      frames: 300 + 200 * row,
      random: () => 0,
    })),
    prefix: prefixOf(model.tokens, { language: 'en', task: 'transcribe', conditioning: [] }),
    rules: model.rules,
    temperature: 0,
    tokenLimit: 90,
    noSpeech: model.tokens.noSpeech,
    heads: model.heads,
    signal: new AbortController().signal,
    ...change,
  }
}

/** All text tokens but the first few, to be suppressed: with so little to choose from, timestamps and the end come often. */
export function allTextFrom(model: WhisperModel, first: number): Int32Array {
  return Int32Array.from({ length: model.tokens.endOfText - first }, (_, index) => first + index)
}

export function expectSame(ours: Generated, theirs: Generated | undefined): void {
  expect(ours.tokens).toEqual(theirs?.tokens)
  expect(ours.isCut).toBe(theirs?.isCut)
  expect(ours.avgLogProb).toBeCloseTo(theirs?.avgLogProb ?? Number.NaN, 3)
  expect(ours.noSpeechProb).toBeCloseTo(theirs?.noSpeechProb ?? Number.NaN, 4)
  const [mine, other] = [ours.attention, theirs?.attention]
  expect([mine?.heads, mine?.tokens, mine?.frames]).toEqual([other?.heads, other?.tokens, other?.frames])
  expect(largest(mine?.weights, other?.weights)).toBeLessThan(1e-4)
}

/** The largest difference; infinite where they are not as long. */
export function largest(left: Float32Array | undefined, right: Float32Array | undefined): number {
  if (left === undefined || left.length !== right?.length) return Number.POSITIVE_INFINITY
  return left.reduce((most, value, index) => Math.max(most, Math.abs(value - (right[index] ?? 0))), 0)
}
