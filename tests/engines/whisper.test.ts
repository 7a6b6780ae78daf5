import { afterAll, describe, expect, it } from 'vitest'
import whisper from '#engines/whisper/engine.ts'
import { loadModel } from '#engines/whisper/model-folder.ts'
import type { Word } from '#protocol/transcript.ts'
import { modelFilesIn, runTranscribe, taskErrorOf } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import {
  TONE_SLOT_SECONDS,
  type ToneModelOptions,
  type WhisperScript,
  whisperTones,
  writeWhisperToneModel,
} from '#tests/kit/whisper-tones.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const plain = await load('plain')

function load(name: string, options: ToneModelOptions = {}) {
  writeWhisperToneModel(folder.join(name), options)
  return loadModel(modelFilesIn(folder.join(name)))
}

function transcribe(script: WhisperScript, options: Parameters<typeof runTranscribe>[4] = {}, model = plain) {
  return runTranscribe(whisper, model, whisperTones(script), folder.fresh('run'), options)
}

const FRAME_SECONDS = 0.02

/** Sentences of four words that differ, so that nothing looks like a loop. */
function sentenceOf(index: number): string {
  const words = ['cat', 'hat', 'will', 'so', 'the', 'wild', 'stone', 'yard', 'inside', 'moss', 'tiny', 'dust']
  return [1, 2, 3, 5].map((factor) => words[(index * factor + factor) % words.length]).join(' ')
}

/** Two frames to each side; the first word of a chunk, whose sound has nothing before it, within a slot. */
function expectTimes(words: readonly Word[], text: string, startSeconds: number): void {
  expect(words.map((word) => word.text)).toEqual(text.split(' '))
  let slot = 0
  for (const [index, word] of words.entries()) {
    const start = startSeconds + slot * TONE_SLOT_SECONDS
    slot += word.text.length
    const end = startSeconds + slot * TONE_SLOT_SECONDS
    const slack = index === 0 ? TONE_SLOT_SECONDS : 2 * FRAME_SECONDS
    expect(Math.abs(word.start - start)).toBeLessThanOrEqual(slack + 1e-9)
    expect(Math.abs(word.end - end)).toBeLessThanOrEqual(2 * FRAME_SECONDS + 1e-9)
  }
}

describe('whisper on tone speech', () => {
  it('[WH1] exact text, segments and word times', async () => {
    const { segments, summary } = await transcribe(['the cat sat on the mat', { silence: 0.5 }, 'so it was'])
    expect(segments.map((segment) => segment.text)).toEqual(['the cat sat on the mat', 'so it was'])
    expect(segments.map((segment) => segment.id)).toEqual([0, 1])
    expectTimes(segments[0]?.words ?? [], 'the cat sat on the mat', 0)
    expectTimes(segments[1]?.words ?? [], 'so it was', 17 * TONE_SLOT_SECONDS + 0.5)
    expect(summary).toMatchObject({ segment_count: 2, word_count: 9, character_count: 31, no_speech: false })
    expect(segments[0]?.decoding).toMatchObject({ temperature: 0, no_speech_prob: 0 })
    expect(segments[0]?.confidence).toBeGreaterThan(0.99)
  })

  it('[WH1] half floats on the outside of the files give the same', async () => {
    const half = await load('half', { isHalf: true })
    const script = ['the cat sat', { silence: 0.5 }, 'on the mat'] as const
    const ours = await transcribe(script, {}, half)
    const { segments } = await transcribe(script)
    expect(
      ours.segments.map(({ text, words }) => [text, words.map(({ start, end }) => [start, end])]),
    ).toEqual(segments.map(({ text, words }) => [text, words.map(({ start, end }) => [start, end])]))
  })

  it('[WH2] no speech regions: completed, empty, and the language is not made up', async () => {
    const { segments, summary, reports } = await transcribe(['cat'], { regions: [] })
    expect(segments).toEqual([])
    expect(summary).toMatchObject({ no_speech: true, language: null, language_source: null })
    expect(reports.at(-1)?.progress.percent).toBe(100)
  })

  it('[WH2] only the speech regions are transcribed, at the times of the recording', async () => {
    const script = [
      'cat',
      { silence: 5 },
      'the mat',
      { silence: 40 },
      'hat so',
      { silence: 2 },
      'mat',
    ] as const
    const [second, third] = [5.3, 45.9]
    const { segments } = await transcribe(script, {
      regions: [
        { start: second, end: second + 0.8 },
        { start: third, end: third + 0.7 },
      ],
    })
    expect(segments.map((segment) => segment.text)).toEqual(['the mat', 'hat so'])
    expectTimes(segments[0]?.words ?? [], 'the mat', second)
    expectTimes(segments[1]?.words ?? [], 'hat so', third)
  })

  it('[WH2] speech of many chunks loses no word and keeps its order, whatever the batch', async () => {
    const sentences = Array.from({ length: 20 }, (_, index) => sentenceOf(index))
    const script = sentences.flatMap((sentence) => [sentence, { silence: 1.1 }] as const)
    let at = 0
    const regions = sentences.map((sentence) => {
      const start = at
      const end = start + sentence.replaceAll(' ', '').length * TONE_SLOT_SECONDS
      at = end + 1.1
      return { start, end }
    })
    const whole = await transcribe(script, { regions })
    const small = await transcribe(script, { regions, batchScale: 0.125 })
    expect(whole.segments.map((segment) => segment.text)).toEqual(sentences)
    expect(small.segments).toEqual(whole.segments)
    const starts = whole.segments.map((segment) => segment.start)
    for (const [index, region] of regions.entries())
      expect(Math.abs((starts[index] ?? 0) - region.start)).toBeLessThanOrEqual(TONE_SLOT_SECONDS + 1e-9)
  })

  it('[WH4] the language is the asked one, else what is heard, else the model’s', async () => {
    const asked = await transcribe(['cat'], { parameters: { language: 'fr' } })
    expect(asked.summary).toMatchObject({ language: 'fr', language_source: 'requested' })
    const english = await transcribe(['cat'])
    expect(english.summary).toMatchObject({ language: 'en', language_source: 'detected' })
    const german = await transcribe(['das wo'])
    expect(german.summary).toMatchObject({ language: 'de', language_source: 'detected' })
    const only = await load('english', { languages: [] })
    const own = await transcribe(['cat'], {}, only)
    expect(own.summary).toMatchObject({ language: 'en', language_source: 'model' })
    expect(own.segments[0]?.text).toBe('cat')
  })

  it('[WH4] a language that the model does not speak is refused', async () => {
    const error = await taskErrorOf(transcribe(['cat'], { parameters: { language: 'hrv' } }))
    expect(error).toMatchObject({ code: 'unsupported_language', retryable: false })
    expect(error.message).toContain('en, de, fr')
    const only = await load('english-only', { languages: [] })
    const other = await taskErrorOf(transcribe(['cat'], { parameters: { language: 'de' } }, only))
    expect(other.code).toBe('unsupported_language')
  })

  it('[WH4] a translation is English text; an English-only model refuses it', async () => {
    const { segments, summary } = await transcribe(['das wo'], { parameters: { task: 'translate' } })
    expect(segments[0]?.text).toBe('DAS WO')
    expect(summary).toMatchObject({ language: 'en', language_source: 'model' })
    const only = await load('no-translation', { languages: [] })
    const error = await taskErrorOf(transcribe(['cat'], { parameters: { task: 'translate' } }, only))
    expect(error).toMatchObject({ code: 'unsupported_task', retryable: false })
  })

  it('[WH7] noise writes nothing', async () => {
    const { segments } = await transcribe([{ noise: 4 }])
    expect(segments).toEqual([])
  })

  it('[WH7] where the model hears no speech and is unsure, nothing is written, and a warning says so', async () => {
    const { segments, summary } = await transcribe([{ mumble: 2 }])
    expect(segments).toEqual([])
    expect(summary.no_speech).toBe(true)
    expect(summary.warnings.map((warning) => warning.code)).toEqual(['dropped_silence'])
  })

  it('[WH6] a text that repeats itself is tried again at a higher temperature, and a rerun gives the same', async () => {
    const first = await transcribe([{ stutter: 9 }])
    const again = await transcribe([{ stutter: 9 }])
    expect(again.segments).toEqual(first.segments)
    expect(again.summary).toEqual(first.summary)
    expect(first.segments.length).toBeGreaterThan(0)
    for (const { decoding } of first.segments) {
      expect(decoding?.temperature).toBeGreaterThan(0)
      expect(decoding?.compression_ratio).toBeLessThanOrEqual(2.4)
    }
  })

  it('[WH7] what is truly said again and again is kept', async () => {
    const text = Array.from({ length: 24 }, () => 'the cat').join(' ')
    const { segments } = await transcribe([text])
    expect(segments.map((segment) => segment.text)).toEqual([text])
    expect(segments[0]?.decoding).toMatchObject({ temperature: 0 })
    expect(segments[0]?.decoding?.compression_ratio).toBeGreaterThan(2.4)
  })

  it('[WH7] a loop is not kept, and a warning says so', async () => {
    const { segments, summary } = await transcribe([{ stutter: 24 }], { parameters: { temperature: 0.01 } })
    expect(segments).toEqual([])
    expect(summary.warnings.map((warning) => warning.code)).toEqual(['dropped_repetition'])
  })

  it('[WH8] vocabulary that finds no room is told', async () => {
    const vocabulary = Array.from({ length: 100 }, (_, index) => `a rather long term number ${index}`)
    const { segments, summary } = await transcribe(['the cat'], {
      parameters: { prompt: 'so it was', vocabulary },
    })
    expect(segments[0]?.text).toBe('the cat')
    expect(summary.warnings.map((warning) => warning.code)).toEqual(['vocabulary_cut'])
  })

  it('[WH12] without cross-attention there are no word times, and a warning says why', async () => {
    const blind = await load('blind', { crossAttentions: false })
    const { segments, summary } = await transcribe(['the cat'], {}, blind)
    expect(segments[0]).toMatchObject({ text: 'the cat', words: [] })
    expect(summary).toMatchObject({
      granularity_requested: 'word',
      granularity_achieved: 'segment',
      word_count: 2,
    })
    expect(summary.warnings.map((warning) => warning.code)).toEqual(['no_word_times'])
    const asked = await transcribe(['the cat'], { parameters: { granularity: 'segment' } }, blind)
    expect(asked.summary.warnings).toEqual([])
  })

  it('[WH13] progress grows from 0 to 100, the partial text grows with its revision', async () => {
    const { reports } = await transcribe(['the cat sat on the mat so it was', { silence: 1 }, 'the mat'])
    const percents = reports.map((report) => report.progress.percent ?? -1)
    expect(percents[0]).toBe(0)
    expect(percents.at(-1)).toBe(100)
    expect(percents).toEqual([...percents].sort((a, b) => a - b))
    const partials = reports.flatMap((report) => report.partial ?? [])
    const revisions = partials.map((partial) => partial.revision)
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b))
    expect(partials.length).toBeGreaterThan(1)
    expect(partials[0]?.text.startsWith('the cat')).toBe(true)
    expect(partials.at(-1)?.text.endsWith('the mat')).toBe(true)
  })

  it('[WH13] a cancel inside a decode ends the run with its reason', async () => {
    const reason = new Error('cancelled by the caller')
    const controller = new AbortController()
    const { encoder } = plain
    // The first row is encoded, then somebody cancels.
    const cancelling = {
      ...plain,
      encoder: Object.assign(Object.create(encoder), {
        encode: async (...args: Parameters<typeof encoder.encode>) => {
          await encoder.encode(...args)
          setImmediate(() => controller.abort(reason))
        },
        hidden: (rows: number) => encoder.hidden(rows),
      }),
    }
    await expect(transcribe(['the cat sat'], { signal: controller.signal }, cancelling)).rejects.toBe(reason)
  })
})
