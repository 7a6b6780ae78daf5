import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Subscribers } from '#objects/subscribers.ts'
import type { JobEvent } from '#protocol/events.ts'

const EVENT: JobEvent = {
  type: 'transcript.partial',
  partial: { task_id: 'x', revision: 1, start: 0, end: 1, text: '' },
} as JobEvent

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

async function next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const { value } = await reader.read()
  return new TextDecoder().decode(value)
}

test('[P43] a comment keeps the stream alive within 15 s, and the timer goes with the last reader', async () => {
  const subscribers = new Subscribers()
  const abort = new AbortController()
  const reader = subscribers.subscribe(['first'], abort.signal).getReader()
  expect(await next(reader)).toBe('retry: 2000\n\nfirst')
  vi.advanceTimersByTime(15_000)
  expect(await next(reader)).toBe(': keep-alive\n\n')
  abort.abort()
  expect(subscribers.size).toBe(0)
})

test('[P42] a reader that cancels its stream is let go, and one that errored harms no other', async () => {
  const subscribers = new Subscribers()
  const signal = new AbortController().signal
  const gone = subscribers.subscribe([], signal)
  const stays = subscribers.subscribe([], signal).getReader()
  await next(stays)
  await gone.cancel()
  subscribers.publish(null, EVENT)
  expect(await next(stays)).toContain('transcript.partial')
  expect(subscribers.size).toBe(1)
  subscribers.closeAll()
  expect(subscribers.size).toBe(0)
})

test('[P47] a reader that does not keep up is let go with a clean end, within a bound of memory', async () => {
  const subscribers = new Subscribers()
  const stream = subscribers.subscribe([], new AbortController().signal)
  let published = 0
  for (; subscribers.size > 0 && published < 10_000; published++) subscribers.publish(null, EVENT)
  expect(published).toBeLessThan(300)
  const reader = stream.getReader()
  let read = 0
  while (!(await reader.read()).done) read++
  expect(read).toBe(published)
})
