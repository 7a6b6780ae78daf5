import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DecoderRun } from '#engines/whisper/decoder-run.ts'
import { type Hidden, rowsOf } from '#engines/whisper/encoder.ts'
import { type Generated, generate } from '#engines/whisper/generate.ts'
import { loadModel, releaseModel, type WhisperModel } from '#engines/whisper/model-folder.ts'
import { prefixOf } from '#engines/whisper/prompt.ts'
import { seededRandom } from '#engines/whisper/sampling.ts'
import { modelFilesIn } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { writeRandomWhisper } from '#tests/kit/whisper-models.ts'
import {
  allTextFrom,
  expectSame,
  greedyRequest,
  heardIn,
  largest,
  noiseOf,
} from '#tests/kit/whisper-requests.ts'

const folder = new TempFolder()
let model: WhisperModel
let hidden: Hidden
const ROWS = 4

beforeAll(async () => {
  writeRandomWhisper(folder.path, { seed: 9 })
  model = await loadModel(modelFilesIn(folder.path))
  hidden = await heardIn(model, ROWS, (row) => noiseOf(row, 0.01))
})
afterAll(async () => {
  await releaseModel(model)
  folder[Symbol.dispose]()
})

interface Asked {
  readonly conditioning?: readonly number[]
  readonly temperature?: number
  /** Only the first few text tokens and timestamps: with so little to choose from, chance soon comes to the end. */
  readonly hasFewTokens?: boolean
}

/** Rows of the hidden states, decoded together. */
function decode(rows: readonly number[], asked: Asked = {}): Promise<Generated[]> {
  const { conditioning = [], temperature = 0, hasFewTokens = false } = asked
  const request = greedyRequest(model, rowsOf(hidden, rows), {
    rows: rows.map((row) => ({
      lastTimestamp: hasFewTokens ? 4 : 60 + 300 * row,
      frames: 200 + 300 * row,
      random: seededRandom(row),
    })),
    prefix: prefixOf(model.tokens, { language: 'en', task: 'transcribe', conditioning }),
    temperature,
    tokenLimit: 40,
  })
  const suppressed = hasFewTokens ? allTextFrom(model, 8) : model.rules.suppressed
  return generate(model.decoder, { ...request, rules: { ...model.rules, suppressed } })
}

describe('decoding a batch', () => {
  it('[WH16] gives each row what it gives alone, also when others end before it', async () => {
    for (const asked of [{}, { temperature: 1 }, { temperature: 12, hasFewTokens: true }]) {
      const together = await decode([0, 1, 2, 3], asked)
      for (const [row, ours] of together.entries()) expectSame(ours, (await decode([row], asked))[0])
      const lengths = new Set(together.map((one) => one.tokens.length))
      if (asked.hasFewTokens === true) expect(lengths.size).toBeGreaterThan(2)
    }
  })

  it('[WH16] rows that are dropped leave the others’ states where they belong', async () => {
    const prefix = prefixOf(model.tokens, { language: 'en', task: 'transcribe', conditioning: [] }).tokens
    const whole = await model.decoder.begin(hidden, [])
    await whole.first(prefix)
    whole.drop(1)
    const after = await whole.next([5, 6, 7])
    for (const [place, row] of [0, 3, 2].entries()) {
      const alone = await model.decoder.begin(rowsOf(hidden, [row]), [])
      await alone.first(prefix)
      const expected = (await alone.next([5 + place])).logits(0, 0)
      expect(largest(after.logits(place, 0), expected)).toBeLessThan(1e-3)
    }
  })

  it('[WH16] a long prefix is read in parts of the batch, with the same result', async () => {
    const prefix = [...Array.from({ length: 50 }, (_, index) => index), model.tokens.startOfTranscript]
    const heads = [
      [1, 0],
      [0, 1],
    ] as const
    const whole = await model.decoder.begin(hidden, heads)
    const parts = await model.decoder.begin(hidden, heads, 2 * prefix.length * model.config.vocab_size)
    const single = await model.decoder.begin(hidden, heads, 1)
    const first = await whole.first(prefix)
    for (const run of [parts, single]) {
      const other = await run.first(prefix)
      for (const [row, position] of everywhere(ROWS, prefix.length)) {
        expect(largest(first.logits(row, position), other.logits(row, position))).toBeLessThan(1e-3)
        for (const head of heads.keys()) {
          const theirs = other.attention.weights(row, head, position)
          expect(largest(first.attention.weights(row, head, position), theirs)).toBeLessThan(1e-5)
        }
      }
    }
    const next = await whole.next([1, 2, 3, 4])
    for (const run of [parts, single]) {
      const other = await run.next([1, 2, 3, 4])
      for (let row = 0; row < ROWS; row++)
        expect(largest(next.logits(row, 0), other.logits(row, 0))).toBeLessThan(1e-3)
    }
  })

  it('[WH17] the memory of an earlier run changes nothing, and two runs at a time share none', async () => {
    const prefix = prefixOf(model.tokens, { language: 'en', task: 'transcribe', conditioning: [] }).tokens
    const read = async (run: DecoderRun, token: number) => (await run.next([token])).logits(0, 0).slice()
    const lone = await model.decoder.begin(rowsOf(hidden, [1]), [])
    await lone.first(prefix)
    const expected = await read(lone, 5)
    {
      using earlier = await model.decoder.begin(hidden, [])
      await earlier.first([...prefix, 7, 8, 9])
      earlier.drop(0)
      await earlier.next([1, 2, 3])
    }
    using run = await model.decoder.begin(rowsOf(hidden, [1]), [])
    run[Symbol.dispose]()
    using again = await model.decoder.begin(rowsOf(hidden, [1]), [])
    run[Symbol.dispose]()
    using beside = await model.decoder.begin(rowsOf(hidden, [2]), [])
    await again.first(prefix)
    await beside.first(prefix)
    expect(largest(expected, await read(again, 5))).toBe(0)
    expect(largest(expected, await read(beside, 5))).toBeGreaterThan(0.01)
  })

  it('[WH16] a text longer than the room that was made keeps what it read', async () => {
    const tokens = Array.from({ length: 150 }, (_, index) => index)
    using steps = await model.decoder.begin(hidden, [])
    let step = await steps.first([model.tokens.startOfTranscript])
    for (const token of tokens) step = await steps.next([token, token, token, token])
    using whole = await model.decoder.begin(hidden, [])
    const read = await whole.first([model.tokens.startOfTranscript, ...tokens])
    expect(largest(read.logits(0, read.positions - 1), step.logits(0, 0))).toBeLessThan(1e-3)
  })

  it('[WH15] no room for a batch’s keys and values is out_of_memory', async () => {
    const endless = { ...hidden, rows: 2 ** 45 }
    await expect(model.decoder.begin(endless, [])).rejects.toMatchObject({
      taskError: { code: 'out_of_memory', retryable: true },
    })
  })

  it('[WH8] what was said before reaches the network', async () => {
    const [without] = await decode([2])
    const [behind] = await decode([2], { conditioning: [300, 301, 302] })
    expect(behind?.tokens).not.toEqual(without?.tokens)
  })

  it('[WH6] by chance the same seed gives the same text', async () => {
    const [first] = await decode([1], { temperature: 0.8 })
    const [again] = await decode([1], { temperature: 0.8 })
    expect(again?.tokens).toEqual(first?.tokens)
    expect((await decode([1]))[0]?.tokens).not.toEqual(first?.tokens)
  })
})

function everywhere(rows: number, positions: number): [number, number][] {
  return Array.from({ length: rows * positions }, (_, at) => [Math.floor(at / positions), at % positions])
}
