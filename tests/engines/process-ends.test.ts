import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, describe, expect, it, onTestFinished } from 'vitest'
import type { ProcessEngine } from '#engines/process/engine.ts'
import { aDescription, aProcessEngine, runProcess, runs } from '#tests/kit/process-engines.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const engines: ProcessEngine[] = []
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.shutDown()))
})

/** Long for a program that answers, however busy the machine is. */
const PATIENT = { grace_seconds: 30 }
const STRICT = { grace_seconds: 0.2 }
const SOON = { timeout: 20_000 }
const REASON = new Error('cancelled by the caller')

/** Cancels a task when it has said which processes it is. */
async function cancelled(
  prompt: string,
  grace = PATIENT,
): Promise<{ engine: ProcessEngine; pids: number[] }> {
  const engine = await aProcessEngine(aDescription('good', grace), engines)
  const controller = new AbortController()
  let pids: number[] = []
  const run = runProcess(engine, await engine.load(null), folder.join(prompt), {
    prompt,
    signal: controller.signal,
    onReport: ({ partial }) => {
      if (partial === undefined) return
      pids = partial.text.split(' ').map(Number)
      controller.abort(REASON)
    },
  })
  await expect(run).rejects.toBe(REASON)
  return { engine, pids }
}

describe('a cancel', () => {
  it('[PE8] reaches a program that listens: it stays for the next task', async () => {
    const { pids } = await cancelled('wait')
    expect(pids.map(runs)).toEqual([true])
  })

  it('[PE8] is why the task ended, whatever the program answers', async () => {
    const { pids } = await cancelled('late')
    expect(pids.map(runs)).toEqual([true])
  })

  it('[PE8] kills a deaf program after the grace, with what it started; the next task has a fresh one', async () => {
    const { engine, pids } = await cancelled('hang', STRICT)
    expect(pids).toHaveLength(2)
    await expect.poll(() => pids.map(runs), SOON).toEqual([false, false])
    const { segments } = await runProcess(engine, await engine.load(null), folder.join('after'))
    expect(segments).toHaveLength(1)
  })
})

describe('no orphans', () => {
  it('[PE9] when the engine child is killed, its deaf program and what that started are gone', async () => {
    const host = fileURLToPath(import.meta.resolve('#tests/kit/process-host.ts'))
    const child = fork(host, [folder.join('host')], { execArgv: [], stdio: 'ignore' })
    onTestFinished(() => void child.kill('SIGKILL'))
    const pids = new Promise<number[]>((resolve) =>
      child.once('message', (text) => resolve(String(text).split(' ').map(Number))),
    )
    const started = await pids
    expect(started.map(runs)).toEqual([true, true])

    child.kill('SIGKILL')

    await expect.poll(() => started.map(runs), SOON).toEqual([false, false])
  })

  it('[PE9] a program that ends takes what it started with it', async () => {
    const engine = await aProcessEngine(aDescription('good', STRICT), engines)
    const model = await engine.load(null)
    const pids = Promise.withResolvers<number[]>()
    const run = runProcess(engine, model, folder.join('leader'), {
      prompt: 'hang',
      onReport: ({ partial }) => partial && pids.resolve(partial.text.split(' ').map(Number)),
    })
    const [leader = 0, helper = 0] = await pids.promise
    process.kill(leader, 'SIGKILL')
    await expect(run).rejects.toMatchObject({ taskError: { code: 'engine_crashed' } })
    await expect.poll(() => runs(helper), SOON).toBe(false)
  })
})
