import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { type DescriptionInput, readDescriptions } from '#engines/process/description.ts'
import type { ProcessEngine } from '#engines/process/engine.ts'
import { taskErrorOf } from '#tests/kit/engine-runs.ts'
import { aProcessEngine, modelFiles, runProcess } from '#tests/kit/process-engines.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { sine } from '#tests/kit/wav-writer.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const engines: ProcessEngine[] = []
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.shutDown()))
})

/** Modules with the signatures of the real packages. */
const PACKAGES = fileURLToPath(import.meta.resolve('#tests/kit/process-python/faster_whisper/__init__.py'))
const PYTHON_PATH = `PYTHONPATH=${dirname(dirname(PACKAGES))}`

/** A program of the project as its own description starts it. */
async function described(path: string, more: Partial<DescriptionInput> = {}): Promise<ProcessEngine> {
  const file = fileURLToPath(import.meta.resolve(`#engines/process/${path}`))
  const [description] = await readDescriptions(file)
  if (description === undefined) throw new Error('expected a description')
  const command = ['env', PYTHON_PATH, 'PYTHONDONTWRITEBYTECODE=1', ...description.command]
  return aProcessEngine({ ...description, ...more, command }, engines, dirname(file))
}

const aFolder = () => folder.fresh('run')

function aModel(name: string, file = 'model.bin') {
  mkdirSync(folder.join(name), { recursive: true })
  writeFileSync(folder.join(name, file), '')
  return modelFiles(folder.join(name))
}

const TWO_REGIONS = [
  { start: 0.25, end: 1 },
  { start: 3, end: 3.5 },
]

describe('the example', () => {
  it('[PE12] the tone engine writes a segment for each loud stretch, at its time, with its pitch', async () => {
    const engine = await described('examples/tone.yaml')
    const parts = [
      new Float32Array(8000),
      sine(440, 1),
      new Float32Array(4800),
      sine(1000, 0.5),
      new Float32Array(1600),
    ]
    const samples = Int16Array.from(
      parts.flatMap((part) => [...part]),
      (value) => value * 32_767,
    )
    const { segments, summary, reports } = await runProcess(engine, await engine.load(null), aFolder(), {
      samples,
    })
    expect(segments.map(({ start, end, text }) => ({ start, end, text }))).toEqual([
      { start: 0.5, end: 1.5, text: expect.stringMatching(/^4[34]\d$/) },
      { start: 1.8, end: 2.3, text: expect.stringMatching(/^9[5-9]\d$/) },
    ])
    expect(summary).toMatchObject({ word_count: 2, granularity_achieved: 'word', language: null })
    expect(reports.flatMap(({ partial }) => partial ?? [])).toHaveLength(2)
  })

  it('[PE12] hears a cancel in silence, and stays for the next task', async () => {
    const engine = await described('examples/tone.yaml', { grace_seconds: 30 })
    const model = await engine.load(null)
    const reason = new Error('cancelled by the caller')
    const controller = new AbortController()
    const samples = new Int16Array(3600 * 16_000)
    const run = runProcess(engine, model, aFolder(), {
      samples,
      signal: controller.signal,
      onReport: () => controller.abort(reason),
    })
    await expect(run).rejects.toBe(reason)
    expect((await runProcess(engine, model, aFolder())).summary.no_speech).toBe(true)
    expect(model.link.isAlive).toBe(true)
  })

  it('[PE12] answers a task that goes wrong with an error', async () => {
    const engine = await described('examples/tone.yaml')
    const path = aFolder()
    mkdirSync(`${path}/transcript.jsonl`, { recursive: true })
    const error = await taskErrorOf(runProcess(engine, await engine.load(null), path))
    expect(error).toMatchObject({ code: 'engine_error', retryable: true })
    expect(error.message).toMatch(/IsADirectoryError/)
  })
})

describe('the adapter of faster-whisper', () => {
  it('[PE13] segments with word times, language, confidence; prompt, vocabulary and task reach the model; libraries may print', async () => {
    const engine = await described('adapters/faster-whisper.yaml')
    const model = await engine.load(aModel('tiny'))
    const { segments, summary, reports } = await runProcess(engine, model, aFolder(), {
      samples: new Int16Array(64_000),
      regions: TWO_REGIONS,
      prompt: 'Good morning.',
      parameters: { vocabulary: ['Kovač', 'Dalston'], task: 'translate', temperature: 0.5 },
    })
    const said = 'tiny translate hr 0.5 Good morning. Kovač, Dalston'
    expect(segments.map(({ start, end, text }) => ({ start, end, text }))).toEqual([
      { start: 0.25, end: 1, text: `${said} there.` },
      { start: 3, end: 3.5, text: `${said} there.` },
    ])
    expect(segments[0]).toMatchObject({
      confidence: 0.875,
      words: [
        { text: said, start: 0.25, end: 0.625, confidence: 0.75 },
        { text: 'there.', start: 0.625, end: 1, confidence: 1 },
      ],
      decoding: { temperature: 0, avg_logprob: -0.25, compression_ratio: 1.5, no_speech_prob: 0.01 },
    })
    expect(summary).toMatchObject({ language: 'en', language_source: 'model', word_count: 4 })
    expect(reports.map(({ progress }) => progress.percent)).toEqual([0, 0, 25, 25, 87.5, 100])
  })

  it('[PE13] without words, in the language that was asked for; no speech asks nothing', async () => {
    const engine = await described('adapters/faster-whisper.yaml')
    const model = await engine.load(aModel('tiny'))
    const { segments, summary } = await runProcess(engine, model, aFolder(), {
      parameters: { language: 'pt-br', granularity: 'segment' },
    })
    expect(segments[0]).toMatchObject({ text: expect.stringMatching(/^tiny transcribe pt \(/), words: [] })
    expect(summary).toMatchObject({ language_source: 'requested', granularity_achieved: 'segment' })
    const heard = await runProcess(engine, model, aFolder())
    expect(heard.summary).toMatchObject({ language: 'hr', language_source: 'detected' })
    const quiet = await runProcess(engine, model, aFolder(), { regions: [] })
    expect(quiet.summary.no_speech).toBe(true)
    expect(
      await taskErrorOf(runProcess(engine, model, aFolder(), { parameters: { language: 'xx' } })),
    ).toMatchObject({ code: 'unsupported_language', retryable: false })
  })

  it('[PE13] a cancel between segments ends the task, the program stays', async () => {
    const engine = await described('adapters/faster-whisper.yaml')
    const model = await engine.load(aModel('tiny'))
    const reason = new Error('cancelled by the caller')
    const controller = new AbortController()
    const regions = Array.from({ length: 2000 }, (_, index) => ({ start: index * 2, end: index * 2 + 1 }))
    const run = runProcess(engine, model, aFolder(), {
      samples: new Int16Array(4000 * 16_000),
      regions,
      signal: controller.signal,
      onReport: ({ partial }) => partial && controller.abort(reason),
    })
    await expect(run).rejects.toBe(reason)
    expect((await runProcess(engine, model, aFolder())).segments).toHaveLength(1)
  })

  it('[PE14] a swap frees the first model; a second beside it is a typed out_of_memory', async () => {
    const engine = await described('adapters/faster-whisper.yaml')
    const first = await engine.load(aModel('tiny'))
    expect(await taskErrorOf(engine.load(aModel('base')))).toMatchObject({
      code: 'out_of_memory',
      retryable: true,
    })
    await engine.dispose(first)
    const second = await engine.load(aModel('base'))
    const { segments } = await runProcess(engine, second, aFolder())
    expect(segments[0]?.text).toMatch(/^base transcribe/)
  })
})

describe('the adapter of NeMo', () => {
  it('[PE13] stretches of regions, words in their segments, at the times of the recording', async () => {
    const engine = await described('adapters/nemo.yaml')
    const model = await engine.load(aModel('parakeet', 'parakeet.nemo'))
    const { segments, summary } = await runProcess(engine, model, aFolder(), {
      samples: new Int16Array(200 * 16_000),
      regions: [
        { start: 10, end: 20 },
        { start: 22, end: 30 },
        { start: 140, end: 150 },
      ],
      parameters: { vocabulary: ['Kovač'], language: 'en' },
    })
    expect(segments.map(({ start, end, text }) => ({ start, end, text }))).toEqual([
      { start: 10, end: 20, text: 'first words.' },
      { start: 20, end: 30, text: 'Last.' },
      { start: 140, end: 145, text: 'first words.' },
      { start: 145, end: 150, text: 'Last.' },
    ])
    expect(segments[2]?.words.map(({ text, start }) => ({ text, start }))).toEqual([
      { text: 'first', start: 140 },
      { text: 'words.', start: 142.5 },
    ])
    expect(summary).toMatchObject({
      language: 'en',
      word_count: 6,
      warnings: [{ stage: 'transcribe', code: 'vocabulary_unused' }],
    })
  })

  it('[PE13] a folder without a .nemo file, and a translation, are typed errors', async () => {
    const engine = await described('adapters/nemo.yaml')
    expect(await taskErrorOf(engine.load(aModel('empty')))).toMatchObject({ code: 'invalid_model' })
    const model = await engine.load(aModel('parakeet', 'parakeet.nemo'))
    expect(
      await taskErrorOf(runProcess(engine, model, aFolder(), { parameters: { task: 'translate' } })),
    ).toMatchObject({ code: 'unsupported_task', retryable: false })
  })
})
