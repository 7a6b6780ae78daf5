import type { LookupFunction } from 'node:net'
import { Agent } from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Hub } from '#agent/models/hub.ts'
import { isGivenUp, PATIENCE_TO_FIND_MS, TRIES_TO_FIND, TRIES_WITHOUT_PROGRESS } from '#agent/models/retry.ts'
import { aBox, aHub, anEntry, REPOSITORY, weights } from './kit/pulls.ts'

const MODEL = weights(100_000)
const entries = [anEntry({ 'model.onnx': MODEL })]

describe('[AM24] a hub that never answered is given up soon', () => {
  it('a closed port: seven seconds of waits at the very most', async () => {
    const hub = await aHub()
    await hub.stop()
    // The longest waits that there are.
    const box = await aBox(hub, { entries, random: () => 1 })
    const { code, message, retryable } = await box.fails()
    expect({ code, retryable }).toEqual({ code: 'hub_unreachable', retryable: true })
    expect(message).toContain('ECONNREFUSED')
    expect(box.waitsMs).toEqual([1_000, 2_000, 4_000])
  })

  it.each(['ENOTFOUND', 'EAI_AGAIN'])('a name that does not resolve: %s', async (code) => {
    const fails: LookupFunction = (_name, _options, done) =>
      done(Object.assign(new Error(code), { code }), '')
    const dispatcher = new Agent({ connect: { lookup: fails } })
    onTestFinished(() => dispatcher.destroy())
    const signal = new AbortController().signal
    const options = { token: async () => null, dispatcher, userAgent: 'test', signal }
    const hub = new Hub({ ...options, endpoint: 'http://hub.invalid' })
    const asked = hub.facts({ repository: REPOSITORY, revision: 'main', path: 'model.onnx' })
    await expect(asked).rejects.toMatchObject({
      isAbsent: true,
      again: true,
      taskError: { code: 'hub_unreachable' },
    })
  })

  it('one that goes away in the middle of a download is waited for', async () => {
    const hub = await aHub()
    hub.put(REPOSITORY, 'model.onnx', MODEL)
    const half = Promise.withResolvers<void>()
    hub.faults.push({ kind: 'drop', afterBytes: 50_000, until: half.promise.then(() => hub.stop()) })
    const box = await aBox(hub, { entries })
    const failed = box.fails('tiny-en', ({ progress }) => {
      if ((progress?.bytesDone ?? 0) >= 50_000) half.resolve()
    })
    expect(await failed).toMatchObject({ code: 'hub_unreachable' })
    expect(box.waitsMs).toHaveLength(TRIES_WITHOUT_PROGRESS - 1)
  })

  const most = TRIES_WITHOUT_PROGRESS
  it.each([
    { what: 'nobody there, early', isAbsent: true, tries: TRIES_TO_FIND - 1, forMs: 3_000, isOver: false },
    { what: 'nobody there, often', isAbsent: true, tries: TRIES_TO_FIND, forMs: 0, isOver: true },
    { what: 'a slow name server', isAbsent: true, tries: 1, forMs: PATIENCE_TO_FIND_MS, isOver: true },
    { what: 'a broken line, long', isAbsent: false, tries: most - 1, forMs: 600_000, isOver: false },
    { what: 'a broken line, often', isAbsent: false, tries: most, forMs: 0, isOver: true },
  ])('$what: $isOver', ({ isAbsent, tries, forMs, isOver }) => {
    expect(isGivenUp({ isAbsent }, { tries, mostTries: most, forMs })).toBe(isOver)
  })
})
