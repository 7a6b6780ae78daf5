import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { PullListener } from '#agent/models/models.ts'
import { TRIES_WITHOUT_PROGRESS } from '#agent/models/retry.ts'
import type { FakeHub } from '#tests/kit/fake-hub.ts'
import { aBox, aHub, anEntry, type Entry, modelFiles, REPOSITORY, weights } from './kit/pulls.ts'

const MODEL = weights(1_000_000)

async function aHubWithTiny(content = MODEL, isLarge = true): Promise<FakeHub> {
  const hub = await aHub()
  hub.put(REPOSITORY, 'model.onnx', content, isLarge)
  return hub
}

async function aTinyBox(hub: FakeHub, known: Buffer | null = MODEL, change: Partial<Entry> = {}) {
  return aBox(hub, { entries: [anEntry({ 'model.onnx': known }, change)] })
}

async function bytesOf(dataFolder: string): Promise<Buffer> {
  return readFile(join(dataFolder, 'models/scripted-ctc/tiny-en/model.onnx'))
}

/** A process of its own pulls, and is killed when it has so many bytes. */
async function killedPull(dataFolder: string, hub: FakeHub, bytes: number): Promise<void> {
  const main = fileURLToPath(new URL('kit/pull-main.ts', import.meta.url))
  const child = spawn(process.execPath, [main, dataFolder, hub.url, 'tiny-en'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  onTestFinished(() => void child.kill('SIGKILL'))
  for await (const line of createInterface(child.stdout)) if (Number(line) >= bytes) break
  child.kill('SIGKILL')
  expect(await exited).toEqual([null, 'SIGKILL'])
}

/** So many connections break after so many bytes each, when these were taken: what is still on its way is lost with it. */
function dropsWhenArrived(hub: FakeHub, drops: number, bytes: number): PullListener {
  const gates = Array.from({ length: drops }, () => Promise.withResolvers<void>())
  for (const { promise } of gates) hub.faults.push({ kind: 'drop', afterBytes: bytes, until: promise })
  return ({ progress }) => {
    const taken = Math.floor((progress?.bytesDone ?? 0) / bytes)
    for (const gate of gates.slice(0, taken)) gate.resolve()
  }
}

describe('[AM10] a pull that was killed goes on where it was', () => {
  it('kill -9 at 60 %: at least 60 % are not fetched again', async () => {
    const hub = await aHubWithTiny()
    const box = await aTinyBox(hub)
    await box.models.stop()
    const held = Promise.withResolvers<void>()
    hub.faults.push({ kind: 'drop', afterBytes: 600_000, until: held.promise })
    await killedPull(box.dataFolder, hub, 600_000)
    held.resolve()

    const again = await aBox(hub, { dataFolder: box.dataFolder })
    expect(again.announced()).toEqual([])
    const seen: number[] = []
    await again.pull('tiny-en', ({ progress }) => seen.push(progress?.bytesDone ?? 600_000))
    expect(hub.downloads.map(({ range }) => range)).toEqual([null, 'bytes=600000-'])
    expect(hub.bytesSent).toBe(MODEL.length)
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(600_000)
    expect(await bytesOf(box.dataFolder)).toEqual(MODEL)
    expect(await modelFiles(box.dataFolder)).toEqual([
      'scripted-ctc/tiny-en/installed.json',
      'scripted-ctc/tiny-en/model.onnx',
    ])
  })

  it('a file that was whole is not fetched again either', async () => {
    const hub = await aHub()
    const small = ['a', 'b', 'c'].map((name, seed) => ({ name, content: weights(1000, seed) }))
    for (const { name, content } of small) hub.put(REPOSITORY, name, content, false)
    hub.put(REPOSITORY, 'model.onnx', MODEL)
    const entry = anEntry({ a: null, b: null, c: null, 'model.onnx': null })
    const box = await aBox(hub, { entries: [entry] })
    await box.models.stop()
    // Three at once: the fourth is asked for when the first is whole, and the other two never come.
    const never = new Promise(() => {})
    hub.faults.push({ kind: 'wait', until: Promise.resolve() })
    hub.faults.push({ kind: 'wait', until: never }, { kind: 'wait', until: never })
    hub.faults.push({ kind: 'drop', afterBytes: 600_000, until: never })
    await killedPull(box.dataFolder, hub, 601_000)
    await (await aBox(hub, { dataFolder: box.dataFolder })).pull()
    expect(hub.bytesSent).toBe(MODEL.length + 3000)
  })

  it('a wrong byte of the part is found at the end, and costs the whole file', async () => {
    const hub = await aHubWithTiny()
    const box = await aTinyBox(hub)
    await box.models.stop()
    const held = Promise.withResolvers<void>()
    hub.faults.push({ kind: 'wrong-byte', at: 10 })
    hub.faults.unshift({ kind: 'drop', afterBytes: 600_000, until: held.promise })
    await killedPull(box.dataFolder, hub, 600_000)
    held.resolve()
    await (await aBox(hub, { dataFolder: box.dataFolder })).pull()
    expect(hub.downloads.map(({ range }) => range)).toEqual([null, 'bytes=600000-', null])
    expect(await bytesOf(box.dataFolder)).toEqual(MODEL)
  })
})

describe('[AM11] a connection that drops is no end', () => {
  it('each try goes on where the last one broke', async () => {
    const hub = await aHubWithTiny()
    const arrived = dropsWhenArrived(hub, 20, 40_000)
    const box = await aTinyBox(hub)
    await box.pull('tiny-en', arrived)
    expect(hub.bytesSent).toBe(MODEL.length)
    expect(hub.downloads).toHaveLength(21)
    expect(await bytesOf(box.dataFolder)).toEqual(MODEL)
  })

  it('tries that bring nothing are bounded, each wait longer than the one before', async () => {
    const hub = await aHubWithTiny()
    const box = await aTinyBox(hub)
    for (let drop = 0; drop < 100; drop++) hub.faults.push({ kind: 'drop', afterBytes: 0 })
    expect(await box.fails()).toMatchObject({ code: 'hub_truncated', retryable: true })
    expect(hub.downloads).toHaveLength(TRIES_WITHOUT_PROGRESS)
    expect(box.waitsMs).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000])
  })

  it('a server without ranges begins anew', async () => {
    const hub = await aHubWithTiny()
    hub.ranges = false
    const arrived = dropsWhenArrived(hub, 1, 400_000)
    const box = await aTinyBox(hub)
    await box.pull('tiny-en', arrived)
    expect(hub.downloads.map(({ range }) => range)).toEqual([null, 'bytes=400000-'])
    expect(await bytesOf(box.dataFolder)).toEqual(MODEL)
  })

  it('bytes that came with the last chunk of a drop are kept, those of another file are not', async () => {
    const hub = await aHubWithTiny(MODEL, false)
    const other = weights(1_000_000, 2)
    const held = Promise.withResolvers<void>()
    hub.faults.push({ kind: 'drop', afterBytes: 400_000, until: held.promise })
    const box = await aTinyBox(hub, null)
    await box.pull('tiny-en', ({ progress }) => {
      if ((progress?.bytesDone ?? 0) < 400_000) return
      hub.put(REPOSITORY, 'model.onnx', other, false)
      held.resolve()
    })
    expect(hub.downloads[1]).toMatchObject({ range: 'bytes=400000-' })
    expect(hub.downloads[1]?.ifRange).toMatch(/^"[0-9a-f]{40}"$/)
    expect(await bytesOf(box.dataFolder)).toEqual(other)
  })
})

it('[AM12] a wrong byte costs one more try from the beginning', async () => {
  const hub = await aHubWithTiny()
  hub.faults.push({ kind: 'wrong-byte', at: 500_000 })
  const box = await aTinyBox(hub)
  await box.pull()
  expect(hub.downloads.map(({ range }) => range)).toEqual([null, null])
  expect(await bytesOf(box.dataFolder)).toEqual(MODEL)
})

it('[AM12] wrong twice: a digest mismatch, nothing of it is left, nothing is announced', async () => {
  const hub = await aHubWithTiny()
  const box = await aTinyBox(hub)
  hub.faults.push({ kind: 'wrong-byte', at: 5 }, { kind: 'wrong-byte', at: 5 })
  const { code, message, retryable } = await box.fails()
  expect({ code, retryable }).toEqual({ code: 'model_digest_mismatch', retryable: false })
  expect(message).toMatch(
    /^model\.onnx of acme\/tiny from .*: expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}/,
  )
  expect(box.announced()).toEqual([])
  expect(await box.models.resolve('tiny-en')).toMatchObject({ ok: false, error: { code: 'model_missing' } })
  expect(await modelFiles(box.dataFolder)).toEqual([])
})
