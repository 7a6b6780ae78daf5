import { createParser } from 'eventsource-parser'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { MAX_ENTRY_BYTES, ModelOperationView, type OrderProgress } from '#protocol/model-order.ts'
import { joinAgent, ScriptedAgent } from './kit/agent.ts'
import { call, callJson, problemOf } from './kit/api.ts'
import { keyOfTenant, type Server, startServer } from './kit/server.ts'

/** Orders to agents about models, over the real wire. Agents have labels of their own, so tests do not meet. */
let server: Server
beforeAll(async () => {
  server = await startServer({ DALSTON_MODEL_QUEUE_LIMIT: '1' })
})
afterAll(() => server.close())

const OPERATIONS = '/v1/models/operations'
const pull = (body: Record<string, unknown>) =>
  callJson(server, OPERATIONS, { action: 'pull', model: 'embedded-en', ...body })
const onLabel = (label: string) => ({ target: { kind: 'label', label } })

async function begun(label: string): Promise<ModelOperationView> {
  const response = await pull(onLabel(label))
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`)
  return ModelOperationView.parse(await response.json())
}

function say(agent: ScriptedAgent, view: ModelOperationView, parts: Partial<OrderProgress>): void {
  const progress = { state: 'pulling', bytes_done: 0, bytes_total: 100, error: null, ...parts } as const
  agent.send({ type: 'model.progress', operation_id: view.id, model_id: view.model_id, progress })
}

/** All events until the server ends the stream. */
async function eventsOf(response: Response): Promise<ModelOperationView[]> {
  const views: ModelOperationView[] = []
  const parser = createParser({
    onEvent: ({ data }) => views.push(ModelOperationView.parse(JSON.parse(data))),
  })
  for await (const chunk of response.body ?? []) parser.feed(new TextDecoder().decode(chunk))
  return views
}

test('[MO7] an order reaches each agent; one stream tells how far all are, and ends with them', async () => {
  const labels = ['stream']
  const [first, second] = await Promise.all([
    ScriptedAgent.connect(server, { name: 'one', labels }),
    ScriptedAgent.connect(server, { name: 'two', labels }),
  ])
  const view = await begun('stream')
  expect(view).toMatchObject({ state: 'running', model_id: 'embedded-en', action: 'pull' })
  for (const agent of [first, second]) {
    const order = await agent.next('model.order')
    expect(order).toMatchObject({ operation_id: view.id, model_id: 'embedded-en', entry: null })
  }
  const stream = await call(server, `${OPERATIONS}/${view.id}/events`)
  expect(stream.headers.get('content-type')).toBe('text/event-stream')
  const events = eventsOf(stream)
  say(first, view, { bytes_done: 50 })
  say(first, view, { state: 'completed', bytes_done: 100 })
  say(second, view, { state: 'completed', bytes_done: 100 })
  const told = await events
  expect(told[0]).toMatchObject({ state: 'running', bytes_done: 0 })
  expect(told.at(-1)).toMatchObject({ state: 'completed', bytes_done: 200, bytes_total: 200 })
  const again = await call(server, `${OPERATIONS}/${view.id}/events`, {
    headers: { 'last-event-id': 'ended' },
  })
  expect(again.status).toBe(204)
  const read = await call(server, `${OPERATIONS}/${view.id}`)
  expect(await read.json()).toMatchObject({ state: 'completed' })
})

test('[MO7] an operation of another tenant does not exist', async () => {
  await ScriptedAgent.connect(server, { labels: ['mine'] })
  const view = await begun('mine')
  const token = await keyOfTenant(server, 'others')
  for (const path of [`${OPERATIONS}/${view.id}`, `${OPERATIONS}/${view.id}/events`, `${OPERATIONS}/op_x`]) {
    const refused = await call(server, path, { token })
    expect([refused.status, (await problemOf(refused)).code]).toEqual([404, 'not_found'])
  }
})

test('[MO11] a cancelled one is over for who asks and who watches; its agents are told, however often it is asked', async () => {
  const agent = await ScriptedAgent.connect(server, { labels: ['cancelled'] })
  const view = await begun('cancelled')
  const path = `${OPERATIONS}/${view.id}`
  const events = eventsOf(await call(server, `${path}/events`))
  const stranger = await call(server, path, { method: 'DELETE', token: await keyOfTenant(server, 'others') })
  expect([stranger.status, (await problemOf(stranger)).code]).toEqual([404, 'not_found'])
  for (const _ of [1, 2]) {
    const answer = await call(server, path, { method: 'DELETE' })
    const told = ModelOperationView.parse(await answer.json())
    expect([answer.status, told.state, told.counts.cancelled]).toEqual([200, 'cancelled', 1])
  }
  expect(await agent.next('model.cancel')).toEqual({ type: 'model.cancel', operation_id: view.id })
  expect((await events).at(-1)).toMatchObject({ state: 'cancelled' })
  const unknown = await call(server, `${OPERATIONS}/op_x`, { method: 'DELETE' })
  expect([unknown.status, (await problemOf(unknown)).code]).toEqual([404, 'not_found'])
  expect((await pull(onLabel('cancelled'))).status).toBe(202)
})

test('[MO7] an agent cannot pass for who watches, and see what is none of its business', async () => {
  await ScriptedAgent.connect(server, { labels: ['watched'] })
  const view = await begun('watched')
  const { credential } = await joinAgent(server)
  const socket = new WebSocket(`ws://${server.url.host}/agent/v1/connect`, {
    headers: { authorization: `Bearer ${credential}`, 'x-dalston-operation-id': view.id },
  })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  socket.terminate()
})

test('[MO7] an operation of another pool is found there', async () => {
  const agent = await ScriptedAgent.connect(server, { joined: await joinAgent(server, 'far', 'annex') })
  const response = await pull({ target: { kind: 'fleet' }, pool: 'annex' })
  const view = ModelOperationView.parse(await response.json())
  const location = `${OPERATIONS}/${view.id}?pool=annex`
  expect([response.status, response.headers.get('location')]).toEqual([202, location])
  expect((await call(server, location)).status).toBe(200)
  expect((await call(server, `${OPERATIONS}/${view.id}`)).status).toBe(404)
  const events = eventsOf(await call(server, `${OPERATIONS}/${view.id}/events?pool=annex`))
  say(agent, view, { state: 'completed', bytes_done: 100 })
  expect((await events).at(-1)).toMatchObject({ state: 'completed', counts: { completed: 1 } })
})

test('[MO6] over the limit of an agent’s queue: 503 with Retry-After', async () => {
  const agent = await ScriptedAgent.connect(server, { labels: ['full'] })
  const view = await begun('full')
  const refused = await pull(onLabel('full'))
  expect(refused.headers.get('retry-after')).toBe('30')
  expect([refused.status, (await problemOf(refused)).code]).toEqual([503, 'model_queue_full'])
  const events = eventsOf(await call(server, `${OPERATIONS}/${view.id}/events`))
  say(agent, view, { state: 'failed', error: { code: 'disk_full', message: 'No room.', retryable: false } })
  expect((await events).at(-1)).toMatchObject({ state: 'failed' })
  expect((await pull(onLabel('full'))).status).toBe(202)
})

const ENTRY = {
  id: 'own',
  name: 'Own',
  description: '',
  engine: 'ctc',
  runtime_model_id: 'owner/own',
  stage: 'transcribe',
  source: { kind: 'hub', repository: 'owner/own', revision: null },
  files: [{ path: 'model.onnx', sha256: null, size_bytes: null }],
  languages: null,
  capabilities: { word_timestamps: true, punctuation: false, capitalization: false, streaming: false },
  hardware: { gpu_required: false, min_ram_mb: null },
  license: 'unknown',
  embedded: false,
  verified: false,
}
const ofEntry = (parts: object) => ({ ...onLabel('entry'), model: 'own', entry: { ...ENTRY, ...parts } })
const manyFiles = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ ...ENTRY.files[0], path: `${index}/${'x'.repeat(290)}` }))

test('[MO10] an entry goes along with the order, as large as a frame takes', async () => {
  const agent = await ScriptedAgent.connect(server, { labels: ['entry'] })
  const files = manyFiles(170)
  expect(JSON.stringify({ ...ENTRY, files }).length).toBeGreaterThan(0.95 * MAX_ENTRY_BYTES)
  expect((await pull(ofEntry({ files }))).status).toBe(202)
  expect((await agent.next('model.order')).entry).toMatchObject({ id: 'own', files })
})

const refusals: [string, Record<string, unknown>, number, RegExp][] = [
  ['a label that nobody has', onLabel('nobody'), 409, /nobody/],
  ['a model that nobody knows', { ...onLabel('nobody'), model: 'embeded-en' }, 422, /embedded-en/],
  ['no target', {}, 400, /target/],
  ['the entry of another model', ofEntry({ id: 'else' }), 400, /entry.id: expected the entry of "own"/],
  ['a bundled entry', ofEntry({ source: { kind: 'bundled', path: '.' } }), 400, /entry.source.kind/],
  ['an entry that no frame takes', ofEntry({ files: manyFiles(190) }), 400, /entry: expected at most 60000/],
  ['a file that climbs out', ofEntry({ files: [{ ...ENTRY.files[0], path: '../x' }] }), 400, /files/],
  ['a keep-alive for a pull', { ...onLabel('x'), keep_alive_seconds: 1 }, 400, /prefetch/],
  ['an unknown action', { ...onLabel('x'), action: 'eat' }, 400, /action/],
]
test.each(refusals)('[MO6] %s is refused in words', async (_name, body, status, detail) => {
  const refused = await pull(body)
  const problem = await problemOf(refused)
  expect([refused.status, problem.detail]).toEqual([status, expect.stringMatching(detail)])
})
