import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Digests } from '#agent/models/digests.ts'
import { modelError } from '#agent/models/model-error.ts'
import { ModelFolders } from '#agent/models/model-folders.ts'
import { Pulls } from '#agent/models/pulls.ts'
import { SharedFiles } from '#agent/models/shared-files.ts'
import { ModelStore } from '#agent/models/store.ts'
import { ModelId } from '#protocol/ids.ts'
import { aControlPlane, aFolder, anAgent } from './kit/agents.ts'
import { anOrder, MODEL, someOrders } from './kit/orders.ts'
import { aHub, anEntry, errorOf, parse, REPOSITORY } from './kit/pulls.ts'
import { Walk } from './kit/walk.ts'

const PATIENTLY = { timeout: 10_000 }
const HALF = MODEL.length / 2
const SUM = '0'.repeat(64)
const gone = modelError('gone', 'Gone.', true)

/** Holds a download where half of it has arrived. */
async function heldOrders() {
  let seconds = 0
  const its = await someOrders({}, () => ++seconds * 1_000)
  const never = new Promise(() => {})
  its.hub.faults.push({ kind: 'drop', afterBytes: HALF, until: never })
  const half = Promise.withResolvers<void>()
  its.heard.push(({ progress }) => {
    if (progress.bytes_done >= HALF) half.resolve()
  })
  return { ...its, half: half.promise }
}

describe('[AM23] an order that nobody wants any more', () => {
  it('ends its pull; what was fetched stays, and the next pull goes on there', async () => {
    const { hub, orders, states, reports, half, box } = await heldOrders()
    const order = anOrder()
    const done = orders.perform(order)
    await half
    orders.cancel(order.operation_id)
    await done
    expect(states().at(-1)).toBe('cancelled')
    expect(reports.at(-1)?.progress.error).toBeNull()
    expect(box.announced()).toEqual([])

    await orders.perform(anOrder())
    expect(states().at(-1)).toBe('completed')
    expect(hub.downloads.map(({ range }) => range)).toEqual([null, `bytes=${HALF}-`])
  })

  it('ends one that waits for its turn, or has not begun, at once', async () => {
    const { hub, orders, reports, box } = await someOrders({
      entries: ['a', 'b'].map((id) => anEntry({ 'model.onnx': null }, { id })),
      queue: { atOnce: 1, mayWait: 1 },
    })
    const held = Promise.withResolvers<void>()
    hub.always = { kind: 'wait', until: held.promise }
    const [first, second] = ['a', 'b'].map((id) => anOrder({ model_id: ModelId.parse(id) }))
    if (first === undefined || second === undefined) throw new Error('expected two orders')
    const running = orders.perform(first)
    await expect.poll(() => hub.requests.length, PATIENTLY).toBe(1)
    const waiting = orders.perform(second)
    await expect.poll(() => reports.at(-1)?.operation_id, PATIENTLY).toBe(second.operation_id)
    orders.cancel(second.operation_id)
    await waiting
    const pin = anOrder({ action: 'pin', model_id: ModelId.parse('a') })
    const never = orders.perform(pin)
    orders.cancel(pin.operation_id)
    await never
    const last = (id: string) => reports.findLast(({ operation_id }) => operation_id === id)?.progress.state
    expect([last(second.operation_id), last(pin.operation_id)]).toEqual(['cancelled', 'cancelled'])
    expect(box.models.isPinned('a')).toBe(false)
    held.resolve()
    await running
    expect(box.announced()).toEqual(['a'])
  })

  it('while another order wants the same model, that one goes on', async () => {
    const { hub, orders, reports, box } = await someOrders()
    const held = Promise.withResolvers<void>()
    hub.faults.push({ kind: 'wait', until: held.promise })
    const [first, second] = [anOrder(), anOrder()]
    const ends = [orders.perform(first), orders.perform(second)]
    await expect.poll(() => hub.downloads.length, PATIENTLY).toBe(1)
    orders.cancel(first.operation_id)
    await ends[0]
    held.resolve()
    await ends[1]
    const last = (id: string) => reports.findLast(({ operation_id }) => operation_id === id)?.progress.state
    expect([last(first.operation_id), last(second.operation_id)]).toEqual(['cancelled', 'completed'])
    expect(box.announced()).toEqual(['tiny-en'])
    expect(hub.downloads).toHaveLength(1)
  })

  it('says so again when it is asked again; one that is over or unknown is left alone', async () => {
    const { orders, states, half } = await heldOrders()
    const order = anOrder()
    const done = orders.perform(order)
    await half
    orders.cancel(order.operation_id)
    await done
    const said = states().length
    await orders.perform(order)
    expect(states().slice(said)).toEqual(['cancelled'])
    const second = anOrder()
    await orders.perform(second)
    orders.cancel(second.operation_id)
    orders.cancel(anOrder().operation_id)
    expect(states().at(-1)).toBe('completed')
  })

  it('who comes while a pull ends that all have left begins anew', async () => {
    const pulls = new Pulls<null>({ atOnce: 1, mayWait: 1 })
    const [ending, told] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const work = (signal: AbortSignal) => {
      signal.addEventListener('abort', () => told.resolve())
      return ending.promise
    }
    const leaving = new AbortController()
    const left = errorOf(pulls.join('a', work, () => {}, leaving.signal))
    leaving.abort(gone)
    await told.promise
    let begun = 0
    const begin = async () => {
      begun += 1
    }
    const second = pulls.join('a', begin, () => {})
    expect(begun).toBe(0)
    ending.resolve()
    await second
    expect([await left, begun]).toEqual([expect.objectContaining({ code: 'gone' }), 1])
  })

  it('does not wait for a file that another model fetches', async () => {
    const folder = await aFolder()
    const shared = new SharedFiles(await ModelStore.open(new ModelFolders(folder)), new Digests())
    const [one, two] = [join(folder, 'one'), join(folder, 'two')]
    const fetching = Promise.withResolvers<void>()
    const first = shared.obtain(SUM, one, () => fetching.promise, new AbortController().signal)
    const leaving = new AbortController()
    const second = errorOf(shared.obtain(SUM, two, async () => {}, leaving.signal))
    leaving.abort(gone)
    expect(await second).toMatchObject({ code: 'gone' })
    fetching.resolve()
    await first
  })

  it('over the wire', async () => {
    const plane = await aControlPlane()
    const hub = await aHub()
    hub.put(REPOSITORY, 'model.onnx', MODEL)
    hub.faults.push({ kind: 'wait', until: new Promise(() => {}) })
    await anAgent(plane, { hub: { endpoints: [hub.url] } })
    const link = await plane.link()
    const order = anOrder({ entry: parse(anEntry({ 'model.onnx': MODEL })) })
    link.send(order)
    await link.next('model.progress', ({ progress }) => progress.state === 'pulling')
    link.send({ type: 'model.cancel', operation_id: order.operation_id })
    await link.next('model.progress', ({ progress }) => progress.state === 'cancelled')
  })
})

it('[AM23] the session hands it on, with or without an order', () => {
  const { operation_id } = anOrder()
  const { effects } = new Walk().up().hear({ type: 'model.cancel', operation_id })
  expect(effects).toEqual([{ type: 'cancelOrder', operationId: operation_id }])
})
