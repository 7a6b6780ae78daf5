import { afterAll, expect, it } from 'vitest'
import { generate } from '#engines/whisper/generate.ts'
import { loadModel, releaseModel } from '#engines/whisper/model-folder.ts'
import { modelFilesIn } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { writeRandomWhisper } from '#tests/kit/whisper-models.ts'
import { allTextFrom, greedyRequest, heardIn, noiseOf } from '#tests/kit/whisper-requests.ts'

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
    // With few tokens to choose from, the end comes early for some.
    const request = greedyRequest(model, await heardIn(model, ROWS, noiseOf), {
      rows: Array.from({ length: ROWS }, (_, row) => ({
        lastTimestamp: 4 + row * 3,
        frames: 300,
        random: () => 0,
      })),
      rules: { ...model.rules, suppressed: allTextFrom(model, 6) },
      noSpeech: null,
      heads: [],
    })
    const alone = await generate(model.decoder, request)
    const steps = await generate(model.decoder, request, 'step by step')
    await releaseModel(model)
    expect(new Set(steps.map(({ tokens }) => tokens.length)).size).toBeGreaterThan(1)
    expect(alone.map(({ tokens }) => tokens.join(' '))).toEqual(steps.map(({ tokens }) => tokens.join(' ')))
  },
)
