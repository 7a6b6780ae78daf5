import { createParser } from 'eventsource-parser'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ModelOperationView, type OrderProgress } from '#protocol/model-order.ts'
import { ScriptedAgent } from './kit/agent.ts'
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

const refusals: [string, Record<string, unknown>, number, RegExp][] = [
  ['a label that nobody has', onLabel('nobody'), 409, /nobody/],
  ['a model that nobody knows', { ...onLabel('nobody'), model: 'embeded-en' }, 422, /embedded-en/],
  ['no target', {}, 400, /target/],
  ['an unknown action', { ...onLabel('x'), action: 'eat' }, 400, /action/],
]
test.each(refusals)('[MO6] %s is refused in words', async (_name, body, status, detail) => {
  const refused = await pull(body)
  const problem = await problemOf(refused)
  expect([refused.status, problem.detail]).toEqual([status, expect.stringMatching(detail)])
})
