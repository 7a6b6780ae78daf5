import { afterAll, expect, it } from 'vitest'
import { FRAME_SECONDS, SLOT_SECONDS, toneSpeech, writeToneModel } from '#tests/kit/parakeet-tones.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import {
  grownBytes,
  minuteName,
  type Speech,
  segmentsOf,
  TEN_HOURS_SECONDS,
  transcribeLong,
  unevenness,
  writeRecording,
} from './kit/ten-hours.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

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
  const [audio, regions] = [folder.join('audio.s16'), folder.join('speech.jsonl')]
  const spoken = writeRecording(SPEECH, audio, regions, TEN_HOURS_SECONDS)
  const { summary, measured } = await transcribeLong({
    engine: 'parakeet',
    modelFolder: writeToneModel(folder.join('model'), 'tdt'),
    audio,
    regions,
    outputFolder: folder.join('out'),
    seconds: TEN_HOURS_SECONDS,
    granularity: 'word',
  })
  const expected = spoken.flatMap(({ text, start }) =>
    [...text.matchAll(/[^ ]+/g)].map((match) => ({
      text: match[0],
      start: start + match.index * SLOT_SECONDS,
    })),
  )
  let at = 0
  for await (const { words } of segmentsOf(folder.join('out/transcript.jsonl'))) {
    for (const word of words) {
      expect(word.text).toBe(expected[at]?.text)
      expect(Math.abs(word.start - (expected[at]?.start ?? 0))).toBeLessThanOrEqual(FRAME_SECONDS + 1e-3)
      at += 1
    }
  }
  expect(at).toBe(expected.length)
  expect(summary.word_count).toBe(expected.length)
  expect(grownBytes(measured)).toBeLessThan(MOST_GROWTH_BYTES)
  // Windows go through in rounds of up to a quarter of an hour, and the search comes behind the encoder.
  expect(unevenness(measured, 'runs')).toBeLessThan(0.03)
  expect(unevenness(measured, 'values')).toBeLessThan(0.03)
})
