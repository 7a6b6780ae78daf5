import { expect, it } from 'vitest'
import { writeHubModel } from '#tests/kit/ctc-hub-model.ts'
import { SLOT_SECONDS, toneSpeech } from '#tests/kit/tone-speech.ts'
import { minuteName, type Speech } from './kit/ten-hours.ts'
import { expectWords, tenHours } from './kit/ten-hours-run.ts'

/** 40 s without a pause: longer than a window, and than an utterance. */
const MONOLOGUE = 'a quick brown fox jumps over the lazy dog and then walks home '.repeat(4).trim()
const SPEECH: Speech = {
  sound: (text) => toneSpeech([text]),
  silence: new Float32Array(60 * 16_000),
  script: (minute) => [
    { text: `this is ${minuteName(minute)}`, at: 1.3 },
    { text: MONOLOGUE, at: 12.7 },
  ],
}
const FRAME_SECONDS = 0.02
/** The log probabilities of nine hours alone would take 207 MB, the samples as floats 2 GB. */
const MOST_GROWTH_BYTES = 40e6

it('[C13] ten hours of speech, in the hub layout: every word at its time, flat memory, even work', async () => {
  const run = await tenHours({
    engine: 'ctc',
    granularity: 'word',
    speech: SPEECH,
    writeModel: writeHubModel,
  })
  const spelling = (text: string) => text.toUpperCase()
  await expectWords(run, { slotSeconds: SLOT_SECONDS, toleranceSeconds: FRAME_SECONDS, spelling })
  expect(run.grownBytes).toBeLessThan(MOST_GROWTH_BYTES)
  expect(run.unevenness).toBeLessThan(0.02)
})
