import { afterAll, expect, it } from 'vitest'
import { writeHubModel } from '#tests/kit/ctc-hub-model.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { SLOT_SECONDS, toneSpeech } from '#tests/kit/tone-speech.ts'
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
  const [audio, regions] = [folder.join('audio.s16'), folder.join('speech.jsonl')]
  const spoken = writeRecording(SPEECH, audio, regions, TEN_HOURS_SECONDS)
  const { summary, measured } = await transcribeLong({
    engine: 'ctc',
    modelFolder: writeHubModel(folder.join('model')),
    audio,
    regions,
    outputFolder: folder.join('out'),
    seconds: TEN_HOURS_SECONDS,
    granularity: 'word',
  })
  const expected = spoken.flatMap(({ text, start }) =>
    [...text.matchAll(/[^ ]+/g)].map((match) => ({
      text: match[0].toUpperCase(),
      start: start + match.index * SLOT_SECONDS,
    })),
  )
  expect(summary.word_count).toBe(expected.length)
  let at = 0
  for await (const { words } of segmentsOf(folder.join('out/transcript.jsonl'))) {
    for (const word of words) {
      expect(word.text).toBe(expected[at]?.text)
      expect(Math.abs(word.start - (expected[at]?.start ?? 0))).toBeLessThanOrEqual(FRAME_SECONDS + 1e-3)
      at += 1
    }
  }
  expect(at).toBe(expected.length)
  expect(grownBytes(measured)).toBeLessThan(MOST_GROWTH_BYTES)
  expect(unevenness(measured, 'runs')).toBeLessThan(0.02)
  expect(unevenness(measured, 'values')).toBeLessThan(0.02)
})
