import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ModelOrder, OrderProgress } from '#protocol/model-order.ts'
import { ScriptedAgent } from './kit/agent.ts'
import { formOf, problemOf, readJob, submit, submitted } from './kit/api.ts'
import { anEngine } from './kit/engines.ts'
import { eventually } from './kit/eventually.ts'
import { type Server, startServer } from './kit/server.ts'

/** A job that lacks only a model's files, over the real wire. An agent leaves with its test, so tests do not meet. */
let server: Server
beforeAll(async () => {
  server = await startServer({ DALSTON_MODELS_AUTO_PULL: 'on', DALSTON_MODEL_QUEUE_LIMIT: '1' })
})
afterAll(() => server.close())

const whisper = (...ids: string[]) =>
  anEngine('whisper', {
    models: ids.map((id) => ({
      id,
      runtime_model_id: id,
      languages: null,
      word_timestamps: true,
      diarization: false,
      memory_mib: null,
      embedded: false,
      loaded: false,
    })),
  } as Parameters<typeof anEngine>[1]) // parsed there, which fills in the rest

function say(agent: ScriptedAgent, order: ModelOrder, parts: Partial<OrderProgress>): void {
  const progress = { state: 'pulling', bytes_done: 0, bytes_total: 100, error: null, ...parts } as const
  agent.send({ type: 'model.progress', operation_id: order.operation_id, model_id: order.model_id, progress })
}

const whyOf = async (id: string) => (await readJob(server, id)).why

test('[AP1, AP2, AP3, SP4] the job waits, says how far the pull is, and begins when the model is there', async () => {
  const agent = await ScriptedAgent.connect(server, { engines: [anEngine('prepare'), whisper()] })
  const job = await submitted(server, { model: 'turbo' })
  expect(job.status).toBe('pending')
  const order = await agent.next('model.order')
  expect(order).toMatchObject({ action: 'pull', model_id: 'whisper-large-v3-turbo' })
  say(agent, order, { bytes_done: 43 })
  const why = 'the model whisper-large-v3-turbo is being pulled on agent box: 43 %'
  await eventually(
    () => whyOf(job.id),
    (told) => told === why,
  )
  say(agent, order, { state: 'completed', bytes_done: 100 })
  const engines = [anEngine('prepare'), whisper('whisper-large-v3-turbo')]
  agent.send({ type: 'agent.status', slots: 4, models_free_bytes: null, engines })
  const offer = await agent.next('task.offer')
  expect(offer).toMatchObject({ stage: 'prepare' })
  const { stages } = await readJob(server, job.id)
  expect(stages.map(({ stage }) => stage)).toEqual(['prepare', 'transcribe', 'merge'])
  await agent.leave()
})

test('[AP4] the pull failed: so did the job, with its reason', async () => {
  const agent = await ScriptedAgent.connect(server, { engines: [anEngine('prepare'), whisper()] })
  const job = await submitted(server, { model: 'whisper-tiny' })
  const order = await agent.next('model.order')
  const error = { code: 'hub_unreachable', message: 'The hub does not answer.', retryable: true }
  say(agent, order, { state: 'failed', error })
  const failed = await eventually(
    () => readJob(server, job.id),
    ({ status }) => status === 'failed',
  )
  expect(failed.error).toMatchObject({
    code: 'hub_unreachable',
    message: 'The model whisper-tiny could not be pulled: The hub does not answer.',
  })
  await agent.leave()
})

test('[AP6, S4] nobody has the engine: refused at once, with the command that helps', async () => {
  const refused = await submit(server, formOf({ model: 'parakeet-tdt-0.6b-v3' }))
  const problem = await problemOf(refused)
  expect([refused.status, problem.code]).toEqual([422, 'no_capable_engine'])
})

test('[AP7] who could pull it has as many orders as may wait: 503 with Retry-After, unless it is this very pull', async () => {
  const agent = await ScriptedAgent.connect(server, { engines: [anEngine('prepare'), whisper()] })
  const job = await submitted(server, { model: 'whisper-base' })
  const order = await agent.next('model.order')
  await submitted(server, { model: 'whisper-base' })
  const refused = await submit(server, formOf({ model: 'whisper-small' }))
  expect(refused.headers.get('retry-after')).toBe('30')
  expect([refused.status, (await problemOf(refused)).code]).toEqual([503, 'model_queue_full'])
  say(agent, order, { state: 'failed', error: { code: 'disk_full', message: 'No room.', retryable: false } })
  await eventually(
    () => readJob(server, job.id),
    ({ status }) => status === 'failed',
  )
  expect((await submit(server, formOf({ model: 'whisper-small' }))).status).toBe(201)
  await agent.leave()
})
