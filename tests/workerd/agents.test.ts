import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AgentList, EngineList, ModelList } from '#protocol/api.ts'
import type { JobId } from '#protocol/ids.ts'
import { joinAgent, ScriptedAgent } from './kit/agent.ts'
import { call, callJson, problemOf, readJob, submitted, TRANSCRIPTIONS } from './kit/api.ts'
import { eventually } from './kit/eventually.ts'
import { completed, failed, line } from './kit/outcomes.ts'
import { type Server, startServer } from './kit/server.ts'

let server: Server
let agent: ScriptedAgent
let jobId: JobId
let grant: Awaited<ReturnType<ScriptedAgent['accept']>>
beforeAll(async () => {
  server = await startServer()
  agent = await ScriptedAgent.connect(server, { name: 'box', slots: 1000 })
  jobId = (await submitted(server)).id
  grant = await agent.accept(jobId, 'prepare')
  agent.start(grant)
})
afterAll(async () => {
  await agent.leave()
  await server.close()
})

async function statusOf(agentId: string): Promise<string | undefined> {
  const { agents } = AgentList.parse(await (await call(server, '/v1/agents')).json())
  return agents.find((one) => one.id === agentId)?.status
}

describe('what a pool sees', () => {
  test('[P50] engines, models and agents tell what runs, what could, and where', async () => {
    const { engines } = EngineList.parse(await (await call(server, '/v1/engines')).json())
    const mine = engines.filter((engine) => engine.agent_id === agent.joined.agent_id)
    expect(mine.map((engine) => [engine.engine_id, engine.status, engine.running_tasks])).toEqual([
      ['prepare', 'ready', 1],
      ['ctc', 'ready', 0],
    ])
    const { models } = ModelList.parse(await (await call(server, '/v1/models?engine_id=ctc')).json())
    expect(models.find((model) => model.id === 'embedded-en')).toMatchObject({
      available_on: [agent.joined.agent_id],
      loaded_on: [agent.joined.agent_id],
    })
    expect(ModelList.parse(await (await call(server, '/v1/models?engine_id=none')).json()).models).toEqual([])
    const { agents } = AgentList.parse(await (await call(server, '/v1/agents')).json())
    expect(agents).toContainEqual(
      expect.objectContaining({ name: 'box', status: 'online', pool: 'default', running_tasks: 1 }),
    )
  })

  test('[P51] an agent that leaves is offline at once, and back when it is back', async () => {
    const box = await ScriptedAgent.connect(server, { name: 'other', engines: [] })
    const id = box.joined.agent_id
    expect(await statusOf(id)).toBe('online')
    await box.leave()
    await eventually(
      () => statusOf(id),
      (status) => status === 'offline',
    )
    const back = await ScriptedAgent.connect(server, { joined: box.joined, engines: [] })
    expect(await statusOf(id)).toBe('online')
    await back.leave()
  })
})

describe('frames', () => {
  test.each([
    ['text that is no JSON', 'hello'],
    ['JSON that is no message', '{"type":"agent.hello"}'],
    ['an unknown type', '{"type":"agent.dance"}'],
    ['an unknown field', '{"type":"agent.draining","reason":"x","schlüssel 🔑":1}'],
    ['null', 'null'],
    ['a task id of no task', '{"type":"task.started","task_id":"job_x","fence":1}'],
    ['a fence of 0', '{"type":"task.started","task_id":"job_00000000000000000000000000.prepare","fence":0}'],
    ['a binary frame', Buffer.from('{}')],
    ['70,000 characters', `"${'x'.repeat(70_000)}"`],
    ['70,000 bytes of fewer characters', `"${'é'.repeat(35_000)}"`],
    ['a megabyte', 'x'.repeat(1_000_000)],
  ])('[O1] %s closes that socket with 4002 and touches nothing else', async (_what, frame) => {
    const box = await ScriptedAgent.connect(server, { engines: [] })
    box.sendRaw(frame)
    expect(await box.closed).toMatchObject({
      code: 4002,
      reason: expect.stringMatching(/^(expected|malformed)/),
    })
    expect(await statusOf(agent.joined.agent_id)).toBe('online')
    expect((await readJob(server, jobId)).stages[0]?.status).toBe('running')
  })

  test('[O2] a protocol that this server does not speak is closed with 4011', async () => {
    const box = await ScriptedAgent.connect(server, { greets: false })
    box.sendRaw(JSON.stringify({ type: 'agent.hello', protocol: { min: 7, max: 9 }, unheard: 'of' }))
    expect(await box.closed).toMatchObject({ code: 4011, reason: expect.stringContaining('7 to 9') })
  })

  test('[O12] sockets of one agent that never say hello do not pile up', async () => {
    const first = await ScriptedAgent.connect(server, { greets: false })
    const second = await ScriptedAgent.connect(server, { joined: first.joined, greets: false })
    expect(await first.refused()).toBe(4009)
    second.hello()
    await second.next('agent.welcome')
    await second.leave()
  })

  test('[O3] a newer connection of the same agent replaces the older one, which is closed with 4009', async () => {
    const older = await ScriptedAgent.connect(server, { engines: [] })
    const newer = await ScriptedAgent.connect(server, { joined: older.joined, engines: [] })
    expect((await older.closed).code).toBe(4009)
    await eventually(
      () => statusOf(older.joined.agent_id),
      (status) => status === 'online',
    )
    await newer.leave()
  })

  test('[O4] frames before hello, and about tasks of others, change nothing', async () => {
    const box = await ScriptedAgent.connect(server, { greets: false })
    const { task_id, fence } = grant
    box.send({ type: 'task.result', task_id, fence, outcome: failed('stolen') })
    box.hello({ engines: [] })
    await box.next('agent.welcome')
    box.send({ type: 'task.started', task_id, fence })
    box.send({ type: 'lease.extend', leases: [{ task_id, fence }] })
    expect((await box.next('lease.extended')).lost).toEqual([{ task_id, fence }])
    expect(await box.result(grant, failed('stolen'))).toBe('stale')
    const none = { task_id: `job_${'0'.repeat(26)}.prepare`, fence: 1 } as typeof grant
    expect(await box.result(none, failed('none'))).toBe('gone')
    expect((await readJob(server, jobId)).stages[0]).toMatchObject({
      status: 'running',
      agent_id: agent.joined.agent_id,
    })
    await box.leave()
  })

  test('[O5] telling a job that does not exist writes nothing', async () => {
    const none = { task_id: `job_${'1'.repeat(26)}.prepare`, fence: 1 } as typeof grant
    expect(await agent.result(none, failed('none'))).toBe('gone')
    const storage = await server.worker.getDurableObjectStorage('JOB', { name: `job_${'1'.repeat(26)}` })
    expect(await storage.exec("SELECT name FROM sqlite_master WHERE name = 'records'")).toEqual([])
  })

  test('[O6] ping is answered pong', async () => {
    agent.sendRaw('ping')
    await agent.pong()
  })

  test('[O7] a credential that is none is refused with 401 before any upgrade', async () => {
    const joined = { ...agent.joined, credential: `${agent.joined.credential.slice(0, -1)}x` }
    await expect(ScriptedAgent.connect(server, { joined })).rejects.toThrow('401')
    const plain = await call(server, '/agent/v1/connect', { token: agent.joined.credential })
    expect((await problemOf(plain)).status).toBe(400)
  })
})

describe('results', () => {
  test('[O8] a result counts once, by socket or by HTTP, and every answer is the Job’s own', async () => {
    const { id } = await submitted(server)
    const prepare = await agent.accept(id, 'prepare')
    agent.start(prepare)
    const artifact = await agent.upload(prepare, 'audio.s16', new Uint8Array(64))
    const { task_id, fence } = prepare
    const result = { type: 'task.result', task_id, fence, outcome: completed('prepare', [artifact]) }
    const post = async (body: unknown) =>
      (await callJson(server, '/agent/v1/results', body, { token: agent.joined.credential })).json()
    expect(await post(result)).toEqual({ type: 'task.ack', task_id, fence, answer: 'accepted' })
    expect(await agent.about('task.ack', task_id)).toMatchObject({ answer: 'accepted' })
    expect(await post(result)).toMatchObject({ answer: 'duplicate' })
    expect(await agent.result(prepare, completed('prepare', [artifact]))).toBe('duplicate')
    expect(await post({ ...result, fence: 7 })).toMatchObject({ answer: 'stale' })
    expect(await post({ ...result, task_id: `job_${'2'.repeat(26)}.prepare` })).toMatchObject({
      answer: 'gone',
    })
    await agent.run(id, 'transcribe', line(0, 0, 'over http'))
    await eventually(
      () => readJob(server, id),
      (job) => job.text === 'over http',
    )
  })

  test('[O9] a hand-back gives the task to whoever is next with a new fence, and a late word of the old one is stale', async () => {
    const { id } = await submitted(server)
    const first = await agent.accept(id, 'prepare')
    agent.start(first)
    const back = { status: 'handed_back', reason: 'draining' } as const
    expect(await agent.result(first, back)).toBe('accepted')
    const second = await agent.accept(id, 'prepare')
    expect(second.fence).toBe(first.fence + 1)
    expect(await agent.result(first, completed('prepare', []))).toBe('stale')
    await call(server, `${TRANSCRIPTIONS}/${id}/cancel`, { method: 'POST' })
  })

  test('[O10] an agent of another pool gets gone for a job that is not of its pool', async () => {
    const { credential } = await joinAgent(server, 'elsewhere', 'elsewhere')
    const { task_id, fence } = grant
    const result = { type: 'task.result', task_id, fence, outcome: failed('stolen') }
    const answer = await callJson(server, '/agent/v1/results', result, { token: credential })
    expect(await answer.json()).toMatchObject({ answer: 'gone' })
    expect((await readJob(server, jobId)).status).toBe('running')
  })
})
