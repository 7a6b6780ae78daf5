import { expect, it } from 'vitest'
import { TONE_SLOT_SECONDS, whisperTones, writeWhisperToneModel } from '#tests/kit/whisper-tones.ts'
import { minuteName, type Speech } from './kit/ten-hours.ts'
import { expectSentences, tenHours } from './kit/ten-hours-run.ts'

const SENTENCES = ['the wild yard was so still', 'so tiny a cat will eat it', 'dust lies on the moss inside']
const SPEECH: Speech = {
  sound: (text) => whisperTones([text]),
  silence: new Float32Array(60 * 16_000),
  // Every second minute: a decoder takes a run a token, and all of it would take minutes.
  script: (minute) =>
    minute % 2 === 1
      ? []
      : [
          { text: `it is ${minuteName(minute)}`, at: 1.5 },
          ...SENTENCES.map((text, index) => ({ text, at: 20 + 5 * index })),
        ],
}
/** The mel spectra of nine hours alone would take 1 GB, what the encoder made of them 310 MB. */
const MOST_GROWTH_BYTES = 60e6

it('[WH2] ten hours with speech in every second minute: every sentence at its time, flat memory, even work', async () => {
  const writeModel = (folder: string) => writeWhisperToneModel(folder, { crossAttentions: false })
  const run = await tenHours({ engine: 'whisper', granularity: 'segment', speech: SPEECH, writeModel })
  await expectSentences(run, TONE_SLOT_SECONDS)
  expect(run.summary.language).toBe('en')
  expect(run.grownBytes).toBeLessThan(MOST_GROWTH_BYTES)
  // A batch holds the speech of half an hour, and its work is done before much of it is told.
  expect(run.unevenness).toBeLessThan(0.1)
})
