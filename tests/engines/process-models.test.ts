import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import type { DescriptionInput } from '#engines/process/description.ts'
import type { ProcessEngine } from '#engines/process/engine.ts'
import { taskErrorOf } from '#tests/kit/engine-runs.ts'
import {
  aDescription,
  aProcessEngine,
  MANIFEST,
  modelFiles,
  PROGRAM,
  type ProcessRun,
  runProcess,
  runs,
} from '#tests/kit/process-engines.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const engines: ProcessEngine[] = []
afterEach(async () => {
  vi.useRealTimers()
  await Promise.all(engines.splice(0).map((engine) => engine.shutDown()))
})

const aFolder = () => folder.fresh('run')

function anEngine(fields: Partial<DescriptionInput> = {}, start = 'good'): Promise<ProcessEngine> {
  const capabilities = { ...MANIFEST.capabilities, native_streaming: true }
  const manifest = { ...MANIFEST, needs_model: true, capabilities }
  return aProcessEngine(aDescription(start, { manifest, ...fields }), engines)
}

type Model = Awaited<ReturnType<ProcessEngine['load']>>

/** A task that the program is at, and what lets it end. Meanwhile the program hears nothing. */
async function aLongTask(
  engine: ProcessEngine,
  model: Model,
): Promise<{ readonly run: Promise<ProcessRun>; readonly letEnd: () => Promise<void> }> {
  const path = aFolder()
  mkdirSync(path, { recursive: true })
  execFileSync('mkfifo', [`${path}/go`])
  const begun = Promise.withResolvers<void>()
  const run = runProcess(engine, model, path, {
    prompt: 'paused',
    onReport: ({ partial }) => partial && begun.resolve(),
  })
  await Promise.race([begun.promise, run])
  return { run, letEnd: () => writeFile(`${path}/go`, '') }
}

describe('models of a program', () => {
  it('[PE6] are loaded and unloaded in one program; a bad one is its own error and costs nothing else', async () => {
    const engine = await anEngine()
    const first = await engine.load(modelFiles('/models/one'))
    expect(await taskErrorOf(engine.load(modelFiles('/models/broken')))).toMatchObject({
      code: 'invalid_model',
      message: 'No weights.',
      retryable: false,
    })
    await engine.dispose(first)
    const second = await engine.load(modelFiles('/models/two'))
    const { segments } = await runProcess(engine, second, aFolder(), { prompt: 'echo' })
    expect(JSON.parse(segments[0]?.text ?? '')).toMatchObject({ model: 'm3' })
    expect(second.link.pid).toBe(first.link.pid)
  })

  it('[PE6] a program that does not answer an unload is killed; the next load starts another', async () => {
    const engine = await anEngine({ unload_seconds: 0.2 }, 'keeper')
    const first = await engine.load(modelFiles('/models/one'))
    await engine.dispose(first)
    expect(runs(first.link.pid)).toBe(false)
    const second = await engine.load(modelFiles('/models/two'))
    expect((await runProcess(engine, second, aFolder())).segments).toHaveLength(1)
  })

  it('[PE6] one that leaves does not end a program that works for another', async () => {
    const engine = await anEngine({ unload_seconds: 600 })
    const first = await engine.load(modelFiles('/models/one'))
    const second = await engine.load(modelFiles('/models/two'))
    const { run, letEnd } = await aLongTask(engine, second)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const gone = engine.dispose(first)
    vi.advanceTimersByTime(3_600_000)
    await letEnd()
    expect((await run).segments).toHaveLength(1)
    await gone
    expect(runs(second.link.pid)).toBe(true)
  })

  it('[PE6] the time for an unload counts from the end of other work', async () => {
    const engine = await anEngine({ unload_seconds: 600 }, 'keeper')
    const first = await engine.load(modelFiles('/models/one'))
    const second = await engine.load(modelFiles('/models/two'))
    const { run, letEnd } = await aLongTask(engine, second)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const gone = engine.dispose(first)
    vi.advanceTimersByTime(3_600_000)
    await letEnd()
    expect((await run).segments).toHaveLength(1)
    vi.advanceTimersByTime(599_000)
    expect(runs(first.link.pid)).toBe(true)
    vi.advanceTimersByTime(1000)
    await gone
    expect(runs(first.link.pid)).toBe(false)
  })
})

describe('after_unload: exit', () => {
  const EXIT = { after_unload: 'exit' } as const

  it('[PE6] a program ends with its model; the next load starts another', async () => {
    const engine = await anEngine(EXIT)
    const first = await engine.load(modelFiles('/models/one'))
    expect(runs(first.link.pid)).toBe(true)
    await engine.dispose(first)
    expect(runs(first.link.pid)).toBe(false)
    const second = await engine.load(modelFiles('/models/two'))
    expect((await runProcess(engine, second, aFolder())).segments).toHaveLength(1)
  })

  it('[PE6] a model that leaves ends its own program, while another works on', async () => {
    const engine = await anEngine(EXIT)
    const first = await engine.load(modelFiles('/models/one'))
    const second = await engine.load(modelFiles('/models/two'))
    const { run, letEnd } = await aLongTask(engine, second)
    await engine.dispose(first)
    expect([first, second].map(({ link }) => runs(link.pid))).toEqual([false, true])
    await letEnd()
    expect((await run).segments).toHaveLength(1)
  })

  it('[PE6] a model that does not load leaves no program', async () => {
    const mark = `mark-${process.pid}`
    const engine = await anEngine({ ...EXIT, command: [process.execPath, PROGRAM, 'good', mark] })
    expect(programsNaming(mark)).toBe(0)
    await engine.load(modelFiles('/models/one'))
    expect(programsNaming(mark)).toBe(1)
    await expect(engine.load(modelFiles('/models/broken'))).rejects.toMatchObject({
      taskError: { code: 'invalid_model' },
    })
    expect(programsNaming(mark)).toBe(1)
  })
})

describe('a program that is shut down', () => {
  const SHUT_DOWN = {
    code: 'engine_crashed',
    message: expect.stringMatching(/was shut down/),
    retryable: true,
  }

  it('[PE5] costs the task that it is at', async () => {
    const engine = await anEngine({ grace_seconds: 0.2 })
    const model = await engine.load(modelFiles('/models/one'))
    const { run } = await aLongTask(engine, model)
    const failed = taskErrorOf(run)
    await engine.shutDown()
    expect(await failed).toMatchObject(SHUT_DOWN)
  })

  it('[PE5] costs its streams', async () => {
    const engine = await anEngine()
    const stream = engine.stream?.({ language: null }, await engine.load(modelFiles('/models/one')))
    const next = stream?.events[Symbol.asyncIterator]().next()
    const gone = engine.shutDown()
    await expect(next).rejects.toMatchObject({ taskError: SHUT_DOWN })
    await stream?.close()
    await gone
  })
})

/** How many programs run that were started with this word; the shells that watch them do not count. */
function programsNaming(mark: string): number {
  const given = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(argumentsOf)
  return given.filter((words) => words[0] === process.execPath && words.at(-1) === mark).length
}

function argumentsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
  } catch {
    // ENOENT, ESRCH: gone.
    return []
  }
}
