import { existsSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import type { StreamEvent, StreamSession } from '#engines/engine.ts'
import type { ProcessEngine } from '#engines/process/engine.ts'
import { SampleFiles } from '#engines/process/sample-files.ts'
import { aDescription, aProcessEngine, MANIFEST } from '#tests/kit/process-engines.ts'

const engines: ProcessEngine[] = []
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.shutDown()))
})

async function aStream(): Promise<StreamSession> {
  const capabilities = { ...MANIFEST.capabilities, native_streaming: true }
  const manifest = { ...MANIFEST, interfaces: ['batch' as const, 'realtime' as const], capabilities }
  const engine = await aProcessEngine(aDescription('good', { manifest, grace_seconds: 30 }), engines)
  const session = engine.stream?.({ language: null }, await engine.load(null))
  if (session === undefined) throw new Error('expected a stream')
  return session
}

describe('a live stream through a program', () => {
  it('[PE10] samples go as ranges of a file, partials and final segments come back, close ends the events', async () => {
    const session = await aStream()
    const events = session.events[Symbol.asyncIterator]()
    session.push(new Float32Array(1600).fill(0.5))
    expect((await events.next()).value).toEqual({
      type: 'partial',
      start: 0,
      end: 0.1,
      text: '3200 bytes from 16383',
    })
    session.push(new Float32Array(800).fill(-0.25))
    expect((await events.next()).value).toMatchObject({ start: 0.1, text: '1600 bytes from -8191' })
    session.flush()
    expect((await events.next()).value).toMatchObject({ type: 'final', segment: { text: 'hello there' } })
    await session.close()
    expect((await events.next()).done).toBe(true)
    session.push(new Float32Array(1))
    await session.close()
  })

  it('[PE10] a partial that nobody read gives way to the next', async () => {
    const session = await aStream()
    for (let push = 0; push < 5; push++) session.push(new Float32Array(16))
    session.flush()
    await session.close()
    const events: StreamEvent[] = []
    for await (const event of session.events) events.push(event)
    expect(events.map(({ type }) => type)).toEqual(['final'])
  })

  it('[PE10] the program’s error ends the events', async () => {
    const session = await aStream()
    session.push(new Float32Array(16).fill(1))
    await expect(session.events[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      taskError: { code: 'too_loud', retryable: false },
    })
    await session.close()
  })

  it('[PE10] an engine without native streaming has no stream', async () => {
    expect((await aProcessEngine(aDescription(), engines)).stream).toBeUndefined()
  })

  it('[PE11] the disk holds the newest five minutes of a stream, and nothing after its end', () => {
    const files = new SampleFiles()
    const paths = Array.from({ length: 480 }, () => files.append(new Float32Array(16_000)).path)
    const kept = [...new Set(paths)].filter((path) => existsSync(path))
    expect(kept).toEqual([...new Set(paths.slice(-300))])
    files.remove()
    expect(kept.filter((path) => existsSync(path))).toEqual([])
  })
})
