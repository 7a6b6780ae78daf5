import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { SampleReader } from '#engines/audio/sample-reader.ts'
import ctc from '#engines/ctc/engine.ts'
import { loadModel } from '#engines/ctc/model-folder.ts'
import { transcription } from '#engines/ctc/transcription.ts'
import type { Word } from '#protocol/transcript.ts'
import { modelFilesIn, runTranscribe, taskErrorOf } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import {
  SLOT_SECONDS,
  TONE_CONFIG,
  type ToneScript,
  toneSpeech,
  writeToneModel,
} from '#tests/kit/tone-speech.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const LEXICON = 'cat\ncats\nsat\nthe\nhat\nmat\non\n'
const plain = await load()
const bound = await load({ 'lexicon.txt': LEXICON })

function load(files: Readonly<Record<string, string>> = {}) {
  return loadModel(modelFilesIn(writeToneModel(folder.fresh('model'), files)))
}

function transcribe(script: ToneScript, options: Parameters<typeof runTranscribe>[4] = {}, model = plain) {
  return runTranscribe(ctc, model, toneSpeech(script), folder.fresh('run'), options)
}

function expected(text: string, startSeconds: number): { text: string; start: number; end: number }[] {
  let at = 0
  return text.split(' ').map((word) => {
    const start = startSeconds + at * SLOT_SECONDS
    at += word.length + 1
    return { text: word, start, end: start + (word.length - 1) * SLOT_SECONDS + 0.09 }
  })
}

function expectTimes(words: readonly Word[], truth: ReturnType<typeof expected>): void {
  expect(words.map((word) => word.text)).toEqual(truth.map((word) => word.text))
  for (const [index, word] of words.entries()) {
    expect(Math.abs(word.start - (truth[index]?.start ?? 0))).toBeLessThanOrEqual(TONE_CONFIG.frame_seconds)
    expect(Math.abs(word.end - (truth[index]?.end ?? 0))).toBeLessThanOrEqual(TONE_CONFIG.frame_seconds)
  }
}

describe('ctc on tone speech', () => {
  it('[C1] greedy: exact words, times within one frame', async () => {
    const { segments, summary } = await transcribe([{ silence: 0.5 }, "the cat isn't here", { silence: 0.5 }])
    expect(segments.map((segment) => segment.text)).toEqual(["the cat isn't here"])
    expectTimes(segments[0]?.words ?? [], expected("the cat isn't here", 0.5))
    expect(summary).toMatchObject({ word_count: 4, segment_count: 1, character_count: 18, no_speech: false })
  })

  it('[C1] beam with a lexicon: exact words, times within one frame', async () => {
    const { segments } = await transcribe(
      [{ silence: 0.5 }, 'the cats sat on the hat', { silence: 0.2 }],
      {},
      bound,
    )
    expect(segments.map((segment) => segment.text)).toEqual(['the cats sat on the hat'])
    expectTimes(segments[0]?.words ?? [], expected('the cats sat on the hat', 0.5))
  })

  it('[C2] noise that is no letter writes nothing', async () => {
    const { segments, summary } = await transcribe([{ noise: 1 }, 'hat', { noise: 1 }])
    expect(segments.map((segment) => segment.text)).toEqual(['hat'])
    expect(summary.no_speech).toBe(false)
  })

  it('[C3] no speech regions: completed, empty, no_speech, and the audio is never read', async () => {
    const { segments, summary, reports } = await transcribe(['cat'], { regions: [] })
    expect(segments).toEqual([])
    expect(summary).toMatchObject({ no_speech: true, segment_count: 0, word_count: 0 })
    expect(reports.at(-1)?.progress.percent).toBe(100)
  })

  it('[C4] only the speech regions are transcribed, at the times of the recording', async () => {
    const script = ['cat', { silence: 5 }, 'the mat', { silence: 5 }, 'hat'] as const
    const start = 3 * SLOT_SECONDS + 5
    const { segments } = await transcribe(
      script,
      { regions: [{ start: start - 0.3, end: start + 1.5 }] },
      bound,
    )
    expect(segments).toHaveLength(1)
    expectTimes(segments[0]?.words ?? [], expected('the mat', start))
  })

  it('[C5] windows give what the whole gives', async () => {
    const text = 'the cat sat on the mat the cats sat on the hat and again the cat sat on the mat'
    const { folder: run, segments: whole } = await transcribe([{ silence: 0.31 }, text], {})
    const path = join(run, 'audio.s16')
    for (const windowSeconds of [0.3, 0.7, 1, 3]) {
      const seconds = readFileSync(path).length / 32_000
      const words: Word[] = []
      const options = { windowSeconds, signal: new AbortController().signal }
      const audio = { path, format: 's16le', start: 0, end: seconds } as const
      for await (const advance of transcription(plain, audio, regionsOf(0, seconds), options))
        words.push(...advance.segments.flatMap((segment) => segment.words))
      expect(words).toEqual(whole.flatMap((segment) => segment.words))
    }
  })

  it('[C5] a window’s frames are those of the whole, to the last digits of a float', async () => {
    const { folder: run } = await transcribe([{ silence: 0.31 }, 'the cat sat', { noise: 0.5 }])
    await using reader = await SampleReader.open(join(run, 'audio.s16'))
    const frames = 80
    const whole = await plain.acoustic.logProbs(reader, { from: 0, to: frames })
    for (const size of [1, 7, 33]) {
      for (let from = 0; from < frames; from += size) {
        const to = Math.min(frames, from + size)
        const part = await plain.acoustic.logProbs(reader, { from, to })
        const truth = whole.subarray((from * whole.length) / frames, (to * whole.length) / frames)
        expect(part).toHaveLength(truth.length)
        expect(Math.max(...part.map((value, index) => Math.abs(value - (truth[index] ?? 0))))).toBeLessThan(
          1e-4,
        )
      }
    }
  })

  it('[C6] a silence of more than 0.6 s starts a segment', async () => {
    const { segments } = await transcribe([
      'the cat',
      { silence: 0.2 },
      ' sat',
      { silence: 0.9 },
      'on the mat',
    ])
    expect(segments.map((segment) => segment.text)).toEqual(['the cat sat', 'on the mat'])
    expect(segments.map((segment) => segment.id)).toEqual([0, 1])
  })

  it('[C6] speech without a pause is cut into segments of at most 15 s, and loses no word', async () => {
    const text = Array.from({ length: 30 }, () => 'the cat sat on').join(' ')
    const { segments } = await transcribe([text], {}, bound)
    expect(segments.map((segment) => segment.text).join(' ')).toBe(text)
    expect(Math.max(...segments.map((segment) => segment.end - segment.start))).toBeLessThanOrEqual(15)
  })

  it('[C7] confidence is what the network gave the letters: high for clear sound, low for what only the lexicon wanted', async () => {
    // The tones are so clear that a wrong letter is far below the usual floor.
    const decoder = { ...TONE_CONFIG.decoder, token_log_prob_floor: -100 }
    const config = JSON.stringify({ ...TONE_CONFIG, decoder })
    const lenient = await load({ 'lexicon.txt': LEXICON, 'config.json': config })
    const clear = await transcribe(['the cat'], {}, lenient)
    const forced = await transcribe(['the cbt'], {}, lenient)
    const confidences = (run: typeof clear) =>
      run.segments.flatMap((s) => s.words.map((w) => w.confidence ?? -1))
    for (const confidence of confidences(clear)) expect(confidence).toBeGreaterThan(0.9)
    expect(forced.segments[0]?.text).toBe('the cat')
    expect(confidences(forced)[1]).toBeLessThan(0.8)
  })

  it('[C8] progress grows from 0 to 100, the partial text grows with its revision', async () => {
    const text = Array.from({ length: 25 }, () => 'the cat sat on').join(' ')
    const { reports } = await transcribe([text, { silence: 1 }, 'the mat'], {}, bound)
    const percents = reports.map((report) => report.progress.percent ?? -1)
    expect(percents[0]).toBe(0)
    expect(percents.at(-1)).toBe(100)
    expect(percents).toEqual([...percents].sort((a, b) => a - b))
    const partials = reports.flatMap((report) => report.partial ?? [])
    expect(partials.length).toBeGreaterThan(2)
    const revisions = partials.map((partial) => partial.revision)
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b))
    expect(partials.at(-1)?.text.endsWith('the mat')).toBe(true)
    expect(Math.max(...partials.map((partial) => partial.text.length))).toBeLessThanOrEqual(1000)
  })

  it('[C9] a cancel between windows ends the run with its reason', async () => {
    const controller = new AbortController()
    const reason = new Error('cancelled by the caller')
    controller.abort(reason)
    await expect(transcribe(['cat'], { signal: controller.signal })).rejects.toBe(reason)
  })

  it('[C10] words are left out where only segments were asked', async () => {
    const { segments, summary } = await transcribe(['the cat'], { parameters: { granularity: 'segment' } })
    expect(segments[0]).toMatchObject({ text: 'the cat', words: [] })
    expect(summary).toMatchObject({
      word_count: 2,
      granularity_requested: 'segment',
      granularity_achieved: 'segment',
    })
  })

  it('[C10] the language is the asked one, else the model’s; another one is refused', async () => {
    const asked = await transcribe(['cat'], { parameters: { language: 'en' } })
    expect(asked.summary).toMatchObject({ language: 'en', language_source: 'requested' })
    const own = await transcribe(['cat'])
    expect(own.summary).toMatchObject({ language: 'en', language_source: 'model' })
    const error = await taskErrorOf(transcribe(['cat'], { parameters: { language: 'de' } }))
    expect(error).toMatchObject({ code: 'unsupported_language', retryable: false })
  })
})

async function* regionsOf(start: number, end: number) {
  yield { start, end }
}
