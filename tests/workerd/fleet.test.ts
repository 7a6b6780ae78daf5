import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AgentList, AgentView, EngineList } from '#protocol/api.ts'
import { joinAgent, ScriptedAgent } from './kit/agent.ts'
import { call, callJson, problemOf, readJob, submitted } from './kit/api.ts'
import { anEngine } from './kit/engines.ts'
import { eventually } from './kit/eventually.ts'
import { completed, line } from './kit/outcomes.ts'
import { keyOfTenant, type Server, startServer } from './kit/server.ts'

/** Agents in and out of service, and what is told of them. Each agent here has an engine of its own, so tests do not meet. */
let server: Server
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

const NOBODY = `agent_${'0'.repeat(26)}`
const post = (id: string, verb: string, body: unknown = {}) =>
  callJson(server, `/v1/agents/${id}/${verb}`, body)
const remove = (id: string) => call(server, `/v1/agents/${id}`, { method: 'DELETE' })

async function viewOf(response: Promise<Response>): Promise<AgentView> {
  const answer = await response
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
  return AgentView.parse(await answer.json())
}

const read = (id: string) => viewOf(call(server, `/v1/agents/${id}`))

describe('what is told', () => {
  test('[P52] an engine is one record for each agent that hosts it, with what it does and why it does not', async () => {
    const [large, small] = await Promise.all([
      ScriptedAgent.connect(server, { name: 'large', engines: [anEngine('ctc', { slots: 8 })] }),
      ScriptedAgent.connect(server, { name: 'small', engines: [anEngine('ctc', { slots: 1 })] }),
    ])
    await post(small.joined.agent_id, 'drain', { reason: 'new disk' })
    const response = await call(server, '/v1/engines/ctc')
    const { engines } = EngineList.parse(await response.json())
    const told = engines.map(({ agent_name, status, why, slots }) => [agent_name, status, why, slots])
    expect(told.sort()).toEqual([
      ['large', 'ready', null, 8],
      ['small', 'draining', 'drained by the operator (new disk)', 1],
    ])
    const [first] = engines
    expect(first).toMatchObject({
      engine_id: 'ctc',
      device: 'cpu',
      running_tasks: 0,
      active_sessions: 0,
      queued_tasks: 0,
      models: [{ id: 'embedded-en', loaded: true }],
      manifest: { interfaces: ['batch'], capabilities: { word_timestamps: true } },
    })
    await Promise.all([large.leave(), small.leave()])
    const unknown = await problemOf(await call(server, '/v1/engines/whisper'))
    expect([unknown.status, unknown.detail]).toEqual([
      404,
      'There is no engine "whisper". Expected one of: ctc.',
    ])
    for (const agent of [large, small]) await remove(agent.joined.agent_id)
    const none = await problemOf(await call(server, '/v1/engines/ctc'))
    expect(none.detail).toBe('There is no engine "ctc". No agent has announced one yet.')
  })

  test('[P53] an agent by its id; one that never connected is offline, one that nobody made does not exist', async () => {
    const agent = await ScriptedAgent.connect(server, { name: 'one', engines: [] })
    const id = agent.joined.agent_id
    const { agents } = AgentList.parse(await (await call(server, '/v1/agents')).json())
    expect(await read(id)).toEqual(agents.find((one) => one.id === id))
    expect(await read(id)).toMatchObject({ name: 'one', status: 'online', why: null })
    const { agent_id } = await joinAgent(server, 'never')
    expect(await read(agent_id)).toMatchObject({ name: 'never', status: 'offline', last_seen_at: null })
    for (const other of [NOBODY, 'agent_x', '%00'])
      expect((await problemOf(await call(server, `/v1/agents/${other}`))).status).toBe(404)
    await agent.leave()
  })

  test("[P55] another tenant's agent, or one of another pool, does not exist: in lists, on every route, or when it is drained", async () => {
    const agent = await ScriptedAgent.connect(server, { name: 'mine', engines: [] })
    const { agent_id: elsewhere } = await joinAgent(server, 'elsewhere', 'elsewhere')
    const other = await keyOfTenant(server, 'other')
    const routes = [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/drain'],
      ['POST', '/undrain'],
    ] as const
    for (const [method, verb] of routes) {
      const ask = async (id: string, token = server.key) =>
        problemOf(await call(server, `/v1/agents/${id}${verb}`, { method, token }))
      const unknown = await ask(NOBODY)
      for (const foreign of [await ask(agent.joined.agent_id, other), await ask(elsewhere)])
        expect([foreign.status, foreign.detail]).toEqual([404, unknown.detail])
    }
    const list = await call(server, '/v1/agents', { token: other })
    expect(await list.json()).toEqual({ agents: [] })
    expect(await read(agent.joined.agent_id)).toMatchObject({ status: 'online' })
    await agent.leave()
  })
})

describe('out of service', () => {
  test('[P54] a drained agent gets no more tasks and says why; what it runs goes on; undrained it gets what waited', async () => {
    const agent = await ScriptedAgent.connect(server, { name: 'box' })
    const id = agent.joined.agent_id
    const first = await submitted(server)
    const grant = await agent.accept(first.id, 'prepare')
    agent.start(grant)

    const drained = await viewOf(post(id, 'drain', { reason: 'new disk' }))
    const why = 'drained by the operator (new disk)'
    expect(drained).toMatchObject({ id, status: 'draining', why, running_tasks: 1 })
    const second = await submitted(server)
    const waiting = await eventually(
      () => readJob(server, second.id),
      (job) => job.stages[0]?.why?.includes(why) === true,
    )
    expect(waiting.stages[0]?.status).toBe('ready')
    const artifact = await agent.upload(grant, 'audio.s16', new Uint8Array(64))
    expect(await agent.result(grant, completed('prepare', [artifact]))).toBe('accepted')

    // Out of service by the operator's word, not the connection's: it stays so when the agent comes back.
    await agent.leave()
    const back = await ScriptedAgent.connect(server, { joined: agent.joined })
    expect(await read(id)).toMatchObject({ status: 'draining', why })
    expect(await viewOf(post(id, 'undrain'))).toMatchObject({ status: 'online', why: null })
    await back.run(second.id, 'prepare')
    for (const job of [first, second]) await back.run(job.id, 'transcribe', line(0, 0, 'at last'))
    await eventually(
      () => readJob(server, second.id),
      (job) => job.text === 'at last',
    )
    expect([...agent.inbox.all, ...back.inbox.all].some((one) => one.type === 'agent.drain')).toBe(false)
    await back.leave()
  })

  test('[P54] with `leave` it is asked to finish and leave; that may be said twice', async () => {
    const agent = await ScriptedAgent.connect(server, { name: 'leaver', engines: [] })
    const id = agent.joined.agent_id
    for (const _time of [1, 2]) {
      const view = await viewOf(post(id, 'drain', { leave: true }))
      expect(view).toMatchObject({ status: 'draining', why: 'drained by the operator (no reason given)' })
      expect((await agent.next('agent.drain')).reason).toBe('no reason given')
    }
    agent.send({ type: 'agent.draining', reason: 'no reason given' })
    await eventually(
      () => read(id),
      ({ why }) => why === 'drained by the operator (no reason given), and leaving',
    )
    await agent.leave()
    await eventually(
      () => read(id),
      ({ status }) => status === 'offline',
    )
    expect((await read(id)).why).toMatch(/^not connected, it was draining .*; drained by the operator/)
  })

  test('[P54] one that never connected is a conflict; a request that is not understood is 400', async () => {
    const { agent_id } = await joinAgent(server, 'never')
    for (const verb of ['drain', 'undrain']) {
      const problem = await problemOf(await post(agent_id, verb))
      expect([problem.status, problem.detail]).toEqual([409, expect.stringContaining('has not connected')])
    }
    for (const body of [{ reason: '' }, { reason: 'x'.repeat(201) }, { leave: 'yes' }, { force: true }])
      expect((await problemOf(await post(agent_id, 'drain', body))).status).toBe(400)
  })
})
