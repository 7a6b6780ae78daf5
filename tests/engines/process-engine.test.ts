import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { ProcessEngine } from '#engines/process/engine.ts'
import { taskErrorOf } from '#tests/kit/engine-runs.ts'
import {
  aDescription,
  aProcessEngine,
  MANIFEST,
  modelFiles,
  type ProcessTask,
  runProcess,
} from '#tests/kit/process-engines.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const engines: ProcessEngine[] = []
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.shutDown()))
})

const aFolder = () => folder.fresh('run')

/** One task of a fresh scripted program. */
async function task(prompt: string, more: ProcessTask = {}) {
  const engine = await aProcessEngine(aDescription(), engines)
  return runProcess(engine, await engine.load(null), aFolder(), { prompt, ...more })
}

describe('a task of a program', () => {
  it('[PE1] progress, partials and warnings come through, made to fit; the counts are read from what it wrote', async () => {
    const { summary, segments, reports } = await task('good')
    expect(segments.map(({ text }) => text)).toEqual(['hello there'])
    expect(summary).toEqual({
      stage: 'transcribe',
      language: 'en',
      language_source: 'detected',
      granularity_requested: 'word',
      granularity_achieved: 'word',
      no_speech: false,
      segment_count: 1,
      word_count: 1,
      character_count: 11,
      speaker_count: null,
      warnings: [{ stage: 'transcribe', code: 'quiet', message: 'It is quiet.' }],
    })
    expect(reports.map(({ progress }) => progress.percent)).toEqual([0, 40, 40, 40, 40, 100])
    expect(reports[1]?.progress.message).toHaveLength(300)
    const partials = reports.flatMap(({ partial }) => partial ?? [])
    expect(partials.map(({ revision }) => revision)).toEqual([1, 2])
    expect(partials[0]?.text).toHaveLength(2000)
    expect(partials[0]?.text.endsWith(' end')).toBe(true)
  })

  it('[PE1] the program gets paths, parameters and the language that was asked for', async () => {
    const {
      folder: path,
      segments,
      summary,
    } = await task('echo', {
      parameters: { language: 'hr', vocabulary: ['Kovač'], task: 'translate' },
    })
    expect(JSON.parse(segments[0]?.text ?? '')).toMatchObject({
      type: 'run',
      model: null,
      stage: 'transcribe',
      inputs: {
        audio: { path: `${path}/audio.s16`, format: 's16le', start: 0, end: 1 },
        speech_regions: `${path}/speech.jsonl`,
      },
      output_folder: path,
      parameters: { language: 'hr', vocabulary: ['Kovač'], task: 'translate' },
      batch_scale: 1,
    })
    expect(summary.granularity_achieved).toBe('segment')
  })

  it.each<[string, string, NonNullable<ProcessTask['parameters']>, object]>([
    ['heard', 'good', {}, { language: 'en', language_source: 'detected' }],
    ['asked', 'echo', { language: 'hr' }, { language: 'hr', language_source: 'requested' }],
    ['untold', 'echo', {}, { language: null, language_source: null }],
    ['translated', 'echo', { task: 'translate' }, { language: 'en', language_source: 'model' }],
    ['asked and translated', 'echo', { language: 'hr', task: 'translate' }, { language: 'en' }],
  ])('[PE1] the language of a text that was %s', async (_name, prompt, parameters, expected) => {
    expect((await task(prompt, { parameters })).summary).toMatchObject(expected)
  })

  it('[PE1] an empty transcript is no speech', async () => {
    expect((await task('silence')).summary).toMatchObject({
      no_speech: true,
      segment_count: 0,
      language: null,
    })
  })

  it('[PE1] warnings without measure are cut, and the first hundred count', async () => {
    const { summary } = await task('warnings')
    expect(summary.warnings).toHaveLength(100)
    expect(summary.warnings[0]?.code).toHaveLength(64)
    expect(summary.warnings[0]?.message).toHaveLength(500)
  })

  it('[PE2] what libraries print on stdout is no message', async () => {
    expect((await task('noise')).segments).toHaveLength(1)
  })

  it.each([
    ['no-file', /expected a file transcript\.jsonl in the output folder/],
    ['no-json', /expected a message in a line of its own, came a line that is no JSON/],
    ['latin', /expected a message in a line of its own, came one that is no UTF-8/],
    ['mixed', /JSON among other text: keep libraries off stdout/],
    ['unknown', /expected a message in a line of its own, type: Invalid/],
    ['wrong-field', /percent: Invalid input: expected number/],
    ['wrong-id', /progress of a request 99 that it never got/],
    ['wrong-answer', /loaded is no answer to request 1/],
    ['wrong-summary', /summary\.language: expected an ISO 639/],
    ['more-summary', /summary\.Unrecognized key: "word_count"/],
    ['long-line', /expected lines of at most 1048576 bytes on its stdout/],
    ['bad-line', /transcript\.jsonl, line 2: expected a JSON object/],
    ['latin-line', /transcript\.jsonl, line 1: is no UTF-8 text/],
    ['bad-segment', /transcript\.jsonl, line 1: words\.0\.start: Invalid input: expected number/],
    ['bad-word', /transcript\.jsonl, line 1: words\.0\.end: expected an end behind its start/],
    ['milliseconds', /transcript\.jsonl, line 1: expected seconds of a recording that ends at 1, came 500/],
    ['endless-line', /transcript\.jsonl, line 2: expected lines of at most 4194304 bytes/],
    ['disorder', /line 2: expected segments in time order, 0\.25 comes after 0\.5/],
  ])('[PE3] %s is one clear engine_bad_output', async (prompt, message) => {
    const error = await taskErrorOf(task(prompt))
    expect(error).toMatchObject({ code: 'engine_bad_output', retryable: true })
    expect(error.message).toMatch(message)
  })

  it('[PE4] its own typed errors come through, of a task and of the whole program', async () => {
    expect(await taskErrorOf(task('fail'))).toEqual({
      code: 'out_of_memory',
      message: 'No room for it.',
      retryable: true,
    })
    expect(await taskErrorOf(task('fatal'))).toMatchObject({ code: 'device_lost' })
  })

  it('[PE5] a program that ends costs its task; five megabytes on stderr leave their last words', async () => {
    const error = await taskErrorOf(task('crash'))
    expect(error).toMatchObject({ code: 'engine_crashed', retryable: true })
    expect(error.message).toMatch(/ended \(exit code 3\)\. It last wrote: y+\nthe last words$/)
    expect(error.message.length).toBeLessThan(1000)
  })

  it('[PE5] a program that closes its stdout and stays is killed', async () => {
    const error = await taskErrorOf(task('mute'))
    expect(error).toMatchObject({ code: 'engine_crashed', retryable: true })
    expect(error.message).toMatch(/closed its stdout\. It last wrote: into the background$/)
  })

  it('[PE5] the next task has a fresh program with its model', async () => {
    const manifest = { ...MANIFEST, needs_model: true }
    const engine = await aProcessEngine(aDescription('good', { manifest }), engines)
    const model = await engine.load(modelFiles('/models/one'))
    expect(await taskErrorOf(runProcess(engine, model, aFolder(), { prompt: 'crash' }))).toMatchObject({
      code: 'engine_crashed',
    })
    const { segments } = await runProcess(engine, model, aFolder(), { prompt: 'echo' })
    expect(JSON.parse(segments[0]?.text ?? '')).toMatchObject({ model: 'm1' })
    await engine.dispose(model)
  })
})

describe('a program that cannot be used', () => {
  it('[PE7] without the folder that it should run in', async () => {
    const engine = await aProcessEngine(aDescription(), engines, folder.join('gone'))
    const error = await taskErrorOf(engine.load(null))
    expect(error).toMatchObject({ code: 'engine_unavailable' })
    expect(error.message).toContain(`there is no folder ${folder.join('gone')}`)
  })

  it.each([
    ['silent', { hello_seconds: 0.3 }, /said no hello within 0\.3 s/],
    ['unended', {}, /ended before its hello \(exit code 0\)\. It last wrote: \{"type":"hello"/],
    ['exit', {}, /ended before its hello \(exit code 5\)\. It last wrote: no such library/],
    ['old', {}, /expected version 1 of the wire, scripted 1\.0 speaks 9/],
    ['other', {}, /the manifest has the stage transcribe, scripted 1\.0 has not/],
    ['missing', { command: ['no-such-program-here'] }, /no-such-program-here was not found\. Install it/],
    ['a folder', { command: ['/tmp'] }, /\/tmp may not be executed/],
  ])('[PE7] %s: engine_unavailable with a sentence', async (start, fields, message) => {
    const engine = await aProcessEngine(aDescription(start, fields), engines)
    const error = await taskErrorOf(engine.load(null))
    expect(error).toMatchObject({ code: 'engine_unavailable', retryable: true })
    expect(error.message).toMatch(message)
  })

  it('[PE7] a program without the streaming that its manifest has', async () => {
    const capabilities = { ...MANIFEST.capabilities, native_streaming: true }
    const engine = await aProcessEngine(
      aDescription('deaf', { manifest: { ...MANIFEST, capabilities } }),
      engines,
    )
    expect((await taskErrorOf(engine.load(null))).message).toMatch(/the manifest has native streaming/)
  })

  it('[PE3] a message before the hello', async () => {
    const engine = await aProcessEngine(aDescription('early'), engines)
    expect(await taskErrorOf(engine.load(null))).toMatchObject({
      code: 'engine_bad_output',
      message: expect.stringMatching(/loaded before its hello/),
    })
  })
})
