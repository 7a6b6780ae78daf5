import { expect, it } from 'vitest'
import { FRAME_SECONDS, SLOT_SECONDS, toneSpeech, writeToneModel } from '#tests/kit/parakeet-tones.ts'
import { minuteName, type Speech } from './kit/ten-hours.ts'
import { expectWords, tenHours } from './kit/ten-hours-run.ts'

/** 41 s without a pause: longer than a window, so windows share sound in every minute. */
const MONOLOGUE =
  'a quick brown fox jumps over the lazy dog, and then it walks home. so does a dog, but not as soon as the fox, it seems to be so.'
const SPEECH: Speech = {
  sound: (text) => toneSpeech([text]),
  silence: toneSpeech([{ silence: 60 }]),
  // Every second minute: the rest would prove the same again.
  script: (minute) =>
    minute % 2 === 1
      ? []
      : [
          { text: `it is ${minuteName(minute)}`, at: 1.36 },
          { text: MONOLOGUE, at: 12.72 },
        ],
}
/** The features of that speech alone would take 700 MB, the samples as floats 2 GB. */
const MOST_GROWTH_BYTES = 40e6

it('[PK9] ten hours with speech in every second minute: every word at its time, flat memory, even work', async () => {
  const writeModel = (folder: string) => writeToneModel(folder, 'tdt')
  const run = await tenHours({ engine: 'parakeet', granularity: 'word', speech: SPEECH, writeModel })
  await expectWords(run, { slotSeconds: SLOT_SECONDS, toleranceSeconds: FRAME_SECONDS })
  expect(run.grownBytes).toBeLessThan(MOST_GROWTH_BYTES)
  // Windows go through in rounds of up to a quarter of an hour, and the search comes behind the encoder.
  expect(run.unevenness).toBeLessThan(0.03)
})
