import { afterAll, expect, it } from 'vitest'
import { CHUNK_SAMPLES } from '#engines/whisper/chunks.ts'
import { generate } from '#engines/whisper/generate.ts'
import { loadModel, releaseModel } from '#engines/whisper/model-folder.ts'
import { prefixOf } from '#engines/whisper/prompt.ts'
import { modelFilesIn } from '#tests/kit/engine-runs.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { writeRandomWhisper } from '#tests/kit/whisper-models.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const ROWS = 6

/** What is multiplied in 8 bits is measured over the whole batch: a row that ended and is read on would change the others. */
it.each([5, 14, 22])(
  '[WH18] in 8 bits a row that ended changes nothing in the others: model %i',
  async (seed) => {
    const path = folder.fresh('random')
    writeRandomWhisper(path, { seed, precision: 'int8' })
    const model = await loadModel(modelFilesIn(path))
    const hidden = model.encoder.hidden(ROWS)
    for (let row = 0; row < ROWS; row++) {
      const random = seeded(row)
      const samples = Float32Array.from({ length: CHUNK_SAMPLES }, () => (random() - 0.5) * (0.1 + row / 3))
      await model.encoder.encode(samples, hidden, row)
    }
    const request = {
      hidden,
      rows: Array.from({ length: ROWS }, (_, row) => ({
        lastTimestamp: 4 + row * 3,
        frames: 300,
        random: () => 0,
      })),
      prefix: prefixOf(model.tokens, { language: 'en', task: 'transcribe', conditioning: [] }),
      // With few tokens to choose from, the end comes early for some.
      rules: {
        ...model.rules,
        suppressed: Int32Array.from({ length: model.tokens.endOfText - 6 }, (_, index) => 6 + index),
      },
      temperature: 0,
      tokenLimit: 90,
      noSpeech: null,
      heads: [],
      signal: new AbortController().signal,
    }
    const alone = await generate(model.decoder, request)
    const steps = await generate(model.decoder, request, 'step by step')
    await releaseModel(model)
    expect(new Set(steps.map(({ tokens }) => tokens.length)).size).toBeGreaterThan(1)
    expect(alone.map(({ tokens }) => tokens.join(' '))).toEqual(steps.map(({ tokens }) => tokens.join(' ')))
  },
)
