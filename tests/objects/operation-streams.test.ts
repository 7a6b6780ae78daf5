import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { OperationStreams } from '#objects/operation-streams.ts'
import { ModelId, OperationId } from '#protocol/ids.ts'
import type { ModelOperationView } from '#protocol/model-order.ts'

/** Who watches a model operation. */
const ID = OperationId.parse(`op_${'0'.repeat(26)}`)

let view: ModelOperationView | null
let streams: OperationStreams
beforeEach(() => {
  vi.useFakeTimers()
  view = aView()
  streams = new OperationStreams(() => view)
})
afterEach(() => vi.useRealTimers())

function aView(parts: Partial<ModelOperationView> = {}): ModelOperationView {
  return {
    id: ID,
    action: 'pull',
    model_id: ModelId.parse('whisper-base'),
    state: 'running',
    created_at: '2026-01-01T00:00:00.000Z',
    bytes_done: 0,
    bytes_total: null,
    counts: { queued: 0, pulling: 1, verifying: 0, loading: 0, completed: 0, failed: 0, cancelled: 0 },
    agents: [],
    ...parts,
  }
}

function watch(headers: Readonly<Record<string, string>> = {}): Response {
  return streams.answer(ID, new Request('http://registry/', { headers }))
}

test('[MO7] however often it changes, a reader is told once a second', async () => {
  const answer = watch()
  for (let bytes = 1; bytes <= 1_000; bytes++) {
    view = aView({ bytes_done: bytes })
    streams.changed(ID, false)
  }
  vi.advanceTimersByTime(1_000)
  view = aView({ state: 'completed' })
  streams.changed(ID, true)
  expect((await answer.text()).match(/^data: /gm)?.length).toBe(3)
  expect(vi.getTimerCount()).toBe(0)
})

test('[MO7] a reader that reads nothing is let go when a few views wait for it', async () => {
  const answer = watch()
  for (let second = 0; second < 60; second++) {
    streams.changed(ID, false)
    vi.advanceTimersByTime(1_000)
  }
  expect((await answer.text()).match(/^data: /gm)?.length).toBeLessThan(12)
  expect(vi.getTimerCount()).toBe(0)
})

test('[MO7] nobody watches any more: nothing is left running', async () => {
  const answer = watch()
  streams.changed(ID, false)
  await answer.body?.cancel()
  vi.advanceTimersByTime(1_000)
  expect(vi.getTimerCount()).toBe(0)
})

test('[MO7] one that is forgotten while it is watched ends the stream', async () => {
  const answer = watch()
  view = null
  streams.changed(ID, true)
  expect((await answer.text()).match(/^data: /gm)?.length).toBe(1)
  expect(watch().status).toBe(404)
})
