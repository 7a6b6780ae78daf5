import { afterAll, expect, it } from 'vitest'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { TONE_SLOT_SECONDS, whisperTones, writeWhisperToneModel } from '#tests/kit/whisper-tones.ts'
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
  const [audio, regions] = [folder.join('audio.s16'), folder.join('speech.jsonl')]
  const spoken = writeRecording(SPEECH, audio, regions, TEN_HOURS_SECONDS)
  writeWhisperToneModel(folder.join('model'), { crossAttentions: false })
  const { summary, measured } = await transcribeLong({
    engine: 'whisper',
    modelFolder: folder.join('model'),
    audio,
    regions,
    outputFolder: folder.join('out'),
    seconds: TEN_HOURS_SECONDS,
    granularity: 'segment',
  })
  let at = 0
  for await (const { text, start, end } of segmentsOf(folder.join('out/transcript.jsonl'))) {
    expect(text).toBe(spoken[at]?.text)
    expect(Math.abs(start - (spoken[at]?.start ?? 0))).toBeLessThanOrEqual(TONE_SLOT_SECONDS + 1e-3)
    expect(Math.abs(end - (spoken[at]?.end ?? 0))).toBeLessThanOrEqual(TONE_SLOT_SECONDS + 1e-3)
    at += 1
  }
  expect(at).toBe(spoken.length)
  expect(summary).toMatchObject({ segment_count: spoken.length, language: 'en' })
  expect(grownBytes(measured)).toBeLessThan(MOST_GROWTH_BYTES)
  // A batch holds the speech of half an hour, and its work is done before much of it is told.
  expect(unevenness(measured, 'runs')).toBeLessThan(0.1)
  expect(unevenness(measured, 'values')).toBeLessThan(0.1)
})
