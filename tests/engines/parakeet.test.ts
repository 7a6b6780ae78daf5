import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import parakeet, { type LoadedModel } from '#engines/parakeet/engine.ts'
import type { DecoderKind } from '#engines/parakeet/model-config.ts'
import type { Segment } from '#protocol/transcript.ts'
import {
  PARAMETERS,
  recordingContext,
  runTranscribe,
  type TranscribeOptions,
  taskErrorOf,
} from '#tests/kit/engine-runs.ts'
import {
  FRAME_SECONDS,
  SLOT_SECONDS,
  type ToneScript,
  toneSpeech,
  writeToneModel,
} from '#tests/kit/parakeet-tones.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const KINDS = ['tdt', 'rnnt', 'ctc'] as const
const models = new Map<string, LoadedModel>()
const load = (name: string, kind: DecoderKind, config: object = {}) =>
  parakeet.load({
    runtimeModelId: 'tones',
    folder: writeToneModel(folder.join(name), kind, config),
    threads: 1,
    device: 'cpu',
  })

beforeAll(async () => {
  for (const kind of KINDS) models.set(kind, await load(kind, kind))
  // Windows of 12 s: 37 characters, of which two windows share nine.
  for (const kind of KINDS)
    models.set(`${kind}-short`, await load(`${kind}-short`, kind, { window_seconds: 12 }))
})
afterAll(async () => {
  for (const model of models.values()) await parakeet.dispose(model)
})

let runs = 0
function transcribe(name: string, script: ToneScript, options: TranscribeOptions = {}) {
  runs += 1
  const model = models.get(name)
  if (model === undefined) throw new Error(`There is no model ${name}`)
  return runTranscribe(parakeet, model, toneSpeech(script), folder.join(`run-${runs}`), options)
}

/** Where each word of a text begins when its first character sounds at `start`. */
function truth(text: string, start: number): { text: string; start: number }[] {
  const words = [...text.matchAll(/[^ ]+/g)]
  return words.map((match) => ({ text: match[0], start: start + match.index * SLOT_SECONDS }))
}

const words = (segments: readonly Segment[]) => segments.flatMap((segment) => segment.words)

function expectTimes(segments: readonly Segment[], expected: readonly { text: string; start: number }[]) {
  const found = words(segments)
  expect(found.map((word) => word.text)).toEqual(expected.map((word) => word.text))
  for (const [index, word] of found.entries()) {
    expect(Math.abs(word.start - (expected[index]?.start ?? -1))).toBeLessThanOrEqual(FRAME_SECONDS + 1e-6)
    expect(word.end).toBeGreaterThan(word.start)
  }
}

describe.each(KINDS)('tone speech, %s', (kind) => {
  it('[PK1] words are exact, and times where the sound begins on a frame', async () => {
    const text = 'the cat, sat on a mat.'
    const { segments, summary } = await transcribe(kind, [{ silence: 0.48 }, text, { silence: 0.5 }])
    expectTimes(segments, truth(text, 0.48))
    expect(words(segments).map((word) => word.start)).toEqual(
      truth(text, 0.48).map((word) => Math.round(word.start * 1000) / 1000),
    )
    expect(segments.map((segment) => segment.text).join(' ')).toBe(text)
    expect(summary).toMatchObject({ stage: 'transcribe', word_count: 6, no_speech: false, language: 'en' })
  })

  it.each([0.31, 0.505, 1.234])('[PK1] times are within a frame wherever speech begins: %d s', async (at) => {
    const text = 'quick brown fox'
    const { segments } = await transcribe(kind, [{ silence: at }, text, { silence: 1 }])
    expectTimes(segments, truth(text, at))
  })

  it('[PK7] speech that never pauses: windows share sound, and no word is lost, doubled or moved', async () => {
    const text = 'the quick brown fox jumps over a lazy dog and goes home to bed, so it is.'
    const { segments } = await transcribe(`${kind}-short`, [{ silence: 0.4 }, text, { silence: 0.4 }])
    expectTimes(segments, truth(text, 0.4))
  })

  it('[PK7] windows end in silences where there are any, and times are those of the recording', async () => {
    const texts = [' big dog', ' red fox', ' old cat'] as const
    const script = [texts[0], { silence: 2 }, texts[1], { silence: 10 }, texts[2], { silence: 1 }]
    const length = 8 * SLOT_SECONDS
    const starts = [0, length + 2, 2 * length + 12]
    const regions = starts.map((start) => ({ start, end: start + length }))
    const { segments } = await transcribe(`${kind}-short`, script, { regions })
    expectTimes(
      segments,
      texts.flatMap((text, index) => truth(text, starts[index] ?? 0)),
    )
    expect(segments.map((segment) => segment.text)).toEqual(['big dog', 'red fox', 'old cat'])
  })

  it('[PK8] smaller batches, as after a lack of memory, write the same', async () => {
    const script = [' one two', { silence: 1 }, ' six ten', { silence: 1 }, ' a bird', { silence: 1 }]
    const whole = await transcribe(`${kind}-short`, script)
    const small = await transcribe(`${kind}-short`, script, { batchScale: 1 / 128 })
    expect(small.segments).toEqual(whole.segments)
    expect(words(whole.segments)).toHaveLength(6)
  })

  it('[PK6] clear sound gives a confidence near 1', async () => {
    const { segments } = await transcribe(kind, ['the cat', { silence: 1 }])
    for (const word of words(segments)) expect(word.confidence).toBeGreaterThan(0.9)
    for (const segment of segments) expect(segment.confidence).toBeGreaterThan(0.9)
  })

  it('[PK11] a cancel between two runs of the networks ends the run with its reason', async () => {
    const controller = new AbortController()
    const reason = new Error('cancelled by the caller')
    controller.abort(reason)
    await expect(transcribe(kind, ['cat'], { signal: controller.signal })).rejects.toBe(reason)
  })
})

describe('a run', () => {
  it('[PK14] no speech regions: completed, empty, no_speech', async () => {
    const { segments, summary, reports } = await transcribe('tdt', ['the cat'], { regions: [] })
    expect(segments).toEqual([])
    expect(summary).toMatchObject({ no_speech: true, segment_count: 0, word_count: 0 })
    expect(reports.at(-1)?.progress.percent).toBe(100)
  })

  it('[PK14] hiss alone writes nothing', async () => {
    const { summary } = await transcribe('tdt', [{ silence: 4 }])
    expect(summary.no_speech).toBe(true)
  })

  it('[PK10] progress grows from 0 to 100, the partial text with its revision', async () => {
    const text = Array.from({ length: 12 }, () => 'the cat sat on').join(' ')
    const { reports } = await transcribe('tdt-short', [text, { silence: 1 }])
    const percents = reports.map((report) => report.progress.percent ?? -1)
    expect(percents[0]).toBe(0)
    expect(percents.at(-1)).toBe(100)
    expect(percents).toEqual(percents.toSorted((a, b) => a - b))
    const revisions = reports.flatMap((report) => report.partial?.revision ?? [])
    expect(new Set(revisions).size).toBeGreaterThan(2)
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b))
    expect(reports.at(-1)?.partial?.text.endsWith('the cat sat on')).toBe(true)
  })

  it('[PK14] words are left out where only segments were asked', async () => {
    const { segments, summary } = await transcribe('tdt', ['the cat', { silence: 1 }], {
      parameters: { granularity: 'segment' },
    })
    expect(segments[0]).toMatchObject({ text: 'the cat', words: [] })
    expect(summary).toMatchObject({ word_count: 2, granularity_achieved: 'segment' })
  })

  it('[PK14] a language that the model does not speak, and a translation, are refused', async () => {
    const asked = await transcribe('tdt', ['cat'], { parameters: { language: 'en' } })
    expect(asked.summary).toMatchObject({ language: 'en', language_source: 'requested' })
    expect(await taskErrorOf(transcribe('tdt', ['cat'], { parameters: { language: 'de' } }))).toMatchObject({
      code: 'unsupported_language',
      retryable: false,
    })
    expect(
      await taskErrorOf(transcribe('tdt', ['cat'], { parameters: { task: 'translate' } })),
    ).toMatchObject({
      code: 'unsupported_task',
      retryable: false,
    })
  })
})

describe('ten hours', () => {
  it('[PK9] words at the end of a sparse ten-hour recording, in the memory of one batch', async () => {
    const model = models.get('tdt')
    if (model === undefined) throw new Error('expected a model')
    const seconds = 36_000
    const at = seconds - 60.16
    const sound = Int16Array.from(
      toneSpeech([{ silence: 1.2 }, 'the cat', { silence: 1 }]),
      (sample) => sample * 32_767,
    )
    const path = folder.join('long.s16')
    const file = openSync(path, 'w')
    ftruncateSync(file, seconds * 32_000)
    for (const start of [10, at])
      writeSync(file, new Uint8Array(sound.buffer), 0, sound.byteLength, start * 32_000)
    closeSync(file)
    const regions = [10, 18_000, at].map((start) => `${JSON.stringify({ start, end: start + 4 })}\n`)
    writeFileSync(folder.join('long.jsonl'), regions.join(''))
    const before = process.memoryUsage().rss
    const { context, reports } = recordingContext()
    const audio = { path, format: 's16le', start: 0, end: seconds } as const
    const task = { stage: 'transcribe', outputFolder: folder.path, parameters: PARAMETERS } as const
    const inputs = { audio, speechRegions: folder.join('long.jsonl') }
    const summary = await parakeet.run({ ...task, inputs }, model, context)
    expect(summary).toMatchObject({ word_count: 4 })
    expect(reports.at(-1)?.partial).toMatchObject({ text: 'the cat the cat' })
    expect(reports.at(-1)?.partial?.end).toBeCloseTo(at + 1.2 + 7 * SLOT_SECONDS, 0)
    // The file is 1.15 GB.
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6)
  })
})
