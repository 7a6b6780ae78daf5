import { afterAll, describe, expect, it } from 'vitest'
import whisper from '#engines/whisper/engine.ts'
import { loadModel, releaseModel } from '#engines/whisper/model-folder.ts'
import { modelFilesIn, runTranscribe } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { type Parrot, writeParrot } from '#tests/kit/whisper-parrot.ts'
import { type WhisperScript, whisperTones } from '#tests/kit/whisper-tones.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const SILENCE: WhisperScript = [{ silence: 8 }]
const NOISE: WhisperScript = [{ noise: 8 }]
const TWELVE = Array.from({ length: 12 }, () => ' thank you').join('')

/** ` thank you` so many times, each between timestamps so far apart. */
function segmentsOf(times: number, seconds: number): (string | number)[] {
  return Array.from({ length: times }, (_, index) => [
    index * seconds,
    ' thank you',
    (index + 1) * seconds,
  ]).flat()
}

const IMPOSSIBLE: Readonly<Record<string, Pick<Parrot, 'says' | 'noSpeech'>>> = {
  'where it hears nobody': { says: [0, TWELVE, 8], noSpeech: 0.95 },
  'where it hears nobody, in segments': { says: segmentsOf(12, 0.6), noSpeech: 0.95 },
  'faster than anybody speaks': { says: segmentsOf(16, 0.04), noSpeech: 0.05 },
}

/** What a model that makes things up leaves of a region where nobody speaks. */
async function written(parrot: Parrot, script: WhisperScript) {
  const path = folder.fresh('parrot')
  writeParrot(path, parrot)
  const model = await loadModel(modelFilesIn(path))
  const { segments, summary } = await runTranscribe(whisper, model, whisperTones(script), folder.fresh('run'))
  await releaseModel(model)
  return { texts: segments.map(({ text }) => text), warnings: summary.warnings.map(({ code }) => code) }
}

describe.each([
  ['silence', SILENCE],
  ['noise', NOISE],
])('a model that makes things up over %s', (_, script) => {
  it.each([0.05, 0.95])(
    '[WH7] a loop that never ends is not kept, however sure: no speech %f',
    async (noSpeech) => {
      const parrot = { says: [0, ' thank you'], sureness: 30, hasEnd: false, noSpeech }
      expect(await written(parrot, script)).toEqual({ texts: [], warnings: ['dropped_repetition'] })
    },
  )

  it.each(Object.entries(IMPOSSIBLE))(
    '[WH7] a loop that comes to an end, and is sure, is not kept: %s',
    async (_, parrot) => {
      expect(await written({ ...parrot, sureness: 30, hasEnd: true }, script)).toEqual({
        texts: [],
        warnings: ['dropped_repetition'],
      })
    },
  )

  it.each([6, 7.2])(
    '[WH7] what it is unsure of, and holds for silence, is not kept: sureness %f',
    async (sureness) => {
      const parrot = { says: [0, TWELVE, 8], sureness, hasEnd: true, noSpeech: 0.95 }
      expect(await written(parrot, script)).toEqual({ texts: [], warnings: ['dropped_silence'] })
    },
  )
})
