import { describe, expect, it } from 'vitest'
import { modelError } from '#agent/models/model-error.ts'
import { isDue } from '#agent/models/order-throttle.ts'
import { Pulls } from '#agent/models/pulls.ts'
import { ModelId } from '#protocol/ids.ts'
import type { OrderProgress } from '#protocol/model-order.ts'
import { aControlPlane, anAgent } from './kit/agents.ts'
import { anOrder, MODEL, someOrders } from './kit/orders.ts'
import { aHub, anEntry, errorOf, parse, REPOSITORY } from './kit/pulls.ts'

describe('[AM19] an order tells each of its states', () => {
  it('pull', async () => {
    const { orders, reports, states, box } = await someOrders()
    const order = anOrder()
    await orders.perform(order)
    expect(states()).toEqual(['queued', 'pulling', 'pulling', 'verifying', 'completed'])
    expect(reports.at(-1)).toEqual({
      type: 'model.progress',
      operation_id: order.operation_id,
      model_id: 'tiny-en',
      progress: { state: 'completed', bytes_done: 100_000, bytes_total: 100_000, error: null },
    })
    expect(box.announced()).toEqual(['tiny-en'])
  })

  it('a failure, with its error', async () => {
    const { hub, orders, reports, states } = await someOrders()
    hub.always = { kind: 'status', status: 404 }
    await orders.perform(anOrder())
    expect(states()).toEqual(['queued', 'pulling', 'failed'])
    expect(reports.at(-1)?.progress.error).toMatchObject({ code: 'hub_not_found', retryable: false })
  })

  it('an unknown model, and one of an engine that is not here', async () => {
    const { orders, reports } = await someOrders()
    await orders.perform(anOrder({ model_id: ModelId.parse('unknown') }))
    await orders.perform(anOrder({ model_id: ModelId.parse('foreign') }))
    const codes = reports.flatMap(({ progress }) => progress.error?.code ?? [])
    expect(codes).toEqual(['model_unknown', 'engine_missing'])
  })

  it('prefetch: pulled where it is absent, then loaded', async () => {
    const { orders, states, prefetched } = await someOrders()
    await orders.perform(anOrder({ action: 'prefetch', keep_alive_seconds: 60 }))
    expect(states()).toEqual(['queued', 'pulling', 'pulling', 'verifying', 'loading', 'completed'])
    await orders.perform(anOrder({ action: 'prefetch' }))
    expect(states().slice(6)).toEqual(['queued', 'loading', 'completed'])
    await orders.perform(anOrder({ action: 'prefetch', keep_alive_seconds: 13 }))
    expect(states().at(-1)).toBe('failed')
    expect(prefetched).toEqual([
      ['tiny-en', 60],
      ['tiny-en', null],
      ['tiny-en', 13],
    ])
  })

  it('pin, unpin, remove', async () => {
    const { orders, states, box, reports } = await someOrders()
    await orders.perform(anOrder({ action: 'pin' }))
    expect(box.models.isPinned('tiny-en')).toBe(true)
    await orders.perform(anOrder())
    expect(box.models.announced('scripted-ctc', new Set())[0]?.pinned).toBe(true)
    await orders.perform(anOrder({ action: 'remove' }))
    expect(reports.at(-1)?.progress.error?.code).toBe('model_pinned')
    await orders.perform(anOrder({ action: 'unpin' }))
    await orders.perform(anOrder({ action: 'remove' }))
    expect(states().at(-1)).toBe('completed')
    expect(box.announced()).toEqual([])
  })

  it('an entry that came with it', async () => {
    const { orders, states, box } = await someOrders({ entries: [] })
    await orders.perform(anOrder({ entry: parse(anEntry({ 'model.onnx': MODEL })) }))
    expect(states().at(-1)).toBe('completed')
    expect(box.announced()).toEqual(['tiny-en'])
  })
})

it('[AM20] an order that comes again says its state, and is not done again', async () => {
  const { hub, orders, reports, states } = await someOrders()
  const held = Promise.withResolvers<void>()
  hub.faults.push({ kind: 'wait', until: held.promise })
  const order = anOrder()
  const first = orders.perform(order)
  const second = orders.perform(order)
  held.resolve()
  await Promise.all([first, second])
  const before = reports.length
  await orders.perform(order)
  expect(reports.slice(before)).toEqual([reports[before - 1]])
  expect(states().at(-1)).toBe('completed')
  expect(hub.downloads).toHaveLength(1)
})

describe('[AM19] a change of state is told at once, bytes at most once a second', () => {
  const progress = (change: Partial<OrderProgress> = {}): OrderProgress => ({
    state: 'pulling',
    bytes_done: 1,
    bytes_total: 10,
    error: null,
    ...change,
  })
  it.each([
    { what: 'the first', sent: null, next: progress(), nowMs: 0, due: true },
    {
      what: 'more bytes, early',
      sent: progress(),
      next: progress({ bytes_done: 5 }),
      nowMs: 999,
      due: false,
    },
    {
      what: 'more bytes, in time',
      sent: progress(),
      next: progress({ bytes_done: 5 }),
      nowMs: 1000,
      due: true,
    },
    { what: 'a state', sent: progress(), next: progress({ state: 'verifying' }), nowMs: 1, due: true },
    { what: 'the total', sent: progress({ bytes_total: null }), next: progress(), nowMs: 1, due: true },
  ])('$what: $due', ({ sent, next, nowMs, due }) => {
    expect(isDue(sent === null ? null : { progress: sent, atMs: 0 }, next, nowMs)).toBe(due)
  })
})

describe('[AM21] a few pulls run at once, a bounded number waits', () => {
  const never = (signal: AbortSignal) =>
    new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const over = modelError('over', 'Over.', false)

  it('over it: failed, to be tried again', async () => {
    const { hub, orders, reports } = await someOrders({
      entries: ['a', 'b', 'c'].map((id) => anEntry({ 'model.onnx': null }, { id })),
      queue: { atOnce: 1, mayWait: 1 },
    })
    const held = Promise.withResolvers<void>()
    hub.always = { kind: 'wait', until: held.promise }
    const [a, b, c] = ['a', 'b', 'c'].map((id) => orders.perform(anOrder({ model_id: ModelId.parse(id) })))
    await c
    expect(reports.at(-1)?.progress).toMatchObject({
      state: 'failed',
      error: { code: 'model_queue_full', retryable: true },
    })
    held.resolve()
    await Promise.all([a, b])
    const states = (id: string) => reports.flatMap((one) => (one.model_id === id ? [one.progress.state] : []))
    expect(states('b')).toEqual(['queued', 'pulling', 'pulling', 'verifying', 'completed'])
  })

  it('who waits longest is next; who is cancelled while waiting is gone at once', async () => {
    const pulls = new Pulls<null>({ atOnce: 1, mayWait: 3 })
    const begun: string[] = []
    const join = (id: string) =>
      pulls.join(
        id,
        (signal) => {
          begun.push(id)
          return never(signal)
        },
        () => {},
      )
    const ends = ['a', 'b', 'c', 'd'].map((id) => errorOf(join(id)))
    await pulls.cancel('b', over)
    expect(await ends[1]).toMatchObject({ code: 'over' })
    await pulls.cancel('a', over)
    await pulls.cancel('c', over)
    await pulls.cancelAll(over)
    await Promise.all(ends)
    expect(begun).toEqual(['a', 'c', 'd'])
  })
})

it('[AM19] over the wire: the agent reports, then announces the model with its size', async () => {
  const plane = await aControlPlane()
  const hub = await aHub()
  hub.put(REPOSITORY, 'model.onnx', MODEL)
  await anAgent(plane, { hub: { endpoints: [hub.url] }, labels: ['gpu'] })
  const link = await plane.link()
  const hello = await link.hello
  expect(hello.labels).toEqual(['gpu'])
  expect(hello.models_free_bytes).toBeGreaterThan(0)
  const order = anOrder({ entry: parse(anEntry({ 'model.onnx': MODEL })) })
  link.send(order)
  await link.next('model.progress', ({ progress }) => progress.state === 'completed')
  const status = await link.next('agent.status', ({ engines }) =>
    engines.some(({ models }) => models.length > 0),
  )
  expect(status.engines.flatMap(({ models }) => models)).toMatchObject([
    { id: 'tiny-en', size_bytes: 100_000 },
  ])
})
