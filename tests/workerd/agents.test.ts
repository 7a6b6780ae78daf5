import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AgentList, EngineList, ModelList } from '#protocol/api.ts'
import type { JobId } from '#protocol/ids.ts'
import { joinAgent, ScriptedAgent } from './kit/agent.ts'
import { call, callJson, problemOf, readJob, submitted, TRANSCRIPTIONS } from './kit/api.ts'
import { eventually } from './kit/eventually.ts'
import { completed, failed, line } from './kit/outcomes.ts'
import { objectKeys, type Server, startServer } from './kit/server.ts'

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
    const rest = { version: '9', platform: 'x', slots: 1, engines: [], running: [] }
    box.send({ type: 'agent.hello', protocol: { min: 7, max: 9 }, ...rest })
    expect(await box.closed).toMatchObject({ code: 4011, reason: expect.stringContaining('7 to 9') })
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

describe('artifacts', () => {
  const bytes = new Uint8Array(Buffer.from('0123456789'))
  const key = (name: string) => `${grant.output_prefix}${name}`
  const at = (path: string, options: Parameters<typeof call>[2] = {}) =>
    call(server, `/agent/v1/artifacts/${path}`, { token: grant.token, ...options })
  const get = (path: string, range?: string) => at(path, range === undefined ? {} : { headers: { range } })

  beforeAll(async () => {
    await agent.upload(grant, 'ten', bytes)
  })

  test('[P60] an artifact comes back whole, and HEAD tells its size', async () => {
    const whole = await get(key('ten'))
    expect(whole.headers.get('content-length')).toBe('10')
    expect(await whole.text()).toBe('0123456789')
    const head = await at(key('ten'), { method: 'HEAD', headers: { range: 'bytes=0-3' } })
    expect(head.status).toBe(200)
    expect(head.headers.get('content-length')).toBe('10')
    expect(head.headers.get('accept-ranges')).toBe('bytes')
    expect((await get(`jobs/${jobId}/upload`)).status).toBe(200)
    expect((await problemOf(await get(key('none')))).status).toBe(404)
    expect((await at(key('none'), { method: 'HEAD' })).status).toBe(404)
  })

  test.each([
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=-99', '0123456789', 'bytes 0-9/10'],
    ['bytes=8-99', '89', 'bytes 8-9/10'],
  ])('[P61] %s is 206', async (range, text, contentRange) => {
    const response = await get(key('ten'), range)
    expect(response.status).toBe(206)
    expect(response.headers.get('content-range')).toBe(contentRange)
    expect(response.headers.get('content-length')).toBe(String(text.length))
    expect(await response.text()).toBe(text)
  })

  test.each([['bytes=10-'], ['bytes=99-100'], ['bytes=-0']])('[P61] %s is 416', async (range) => {
    const response = await get(key('ten'), range)
    expect(response.headers.get('content-range')).toBe('bytes */10')
    expect((await problemOf(response)).status).toBe(416)
  })

  test.each([['bytes=x'], ['bytes=5-2'], ['bytes=0-1,3-4'], ['lines=1-2'], ['bytes=-']])(
    '[P61] %s is ignored',
    async (range) => {
      const response = await get(key('ten'), range)
      expect(response.status).toBe(200)
      expect(await response.text()).toBe('0123456789')
    },
  )

  test('[P62] an empty artifact', async () => {
    expect(await agent.upload(grant, 'empty', '')).toMatchObject({ size_bytes: 0 })
    expect(await (await get(key('empty'))).text()).toBe('')
    expect((await problemOf(await get(key('empty'), 'bytes=0-'))).status).toBe(416)
  })

  test('[P63] a task reads only its job, and writes only under its own prefix', async () => {
    const other = await submitted(server)
    const foreign = [`jobs/${other.id}/upload`, 'jobs/', `jobs/${jobId}`, 'health', `x/${key('ten')}`]
    for (const path of foreign) expect((await problemOf(await get(path))).status).toBe(403)
    const closed = [
      `jobs/${jobId}/upload`,
      `jobs/${jobId}/prepare/f2/x`,
      grant.output_prefix,
      `${grant.output_prefix.slice(0, -1)}0/x`,
      `jobs/${other.id}/prepare/f1/x`,
    ]
    for (const path of closed) {
      expect((await problemOf(await at(path, { method: 'PUT', body: bytes }))).status).toBe(403)
      expect((await problemOf(await at(`${path}?uploads`, { method: 'POST' }))).status).toBe(403)
      const abort = await at(`${path}?upload_id=x`, { method: 'DELETE' })
      expect((await problemOf(abort)).status).toBe(403)
    }
    expect(await objectKeys(server, `jobs/${other.id}/`)).toEqual([`jobs/${other.id}/upload`])
    await call(server, `${TRANSCRIPTIONS}/${other.id}/cancel`, { method: 'POST' })
  })

  test('[P64] a large artifact in parts', async () => {
    const first = new Uint8Array(Buffer.alloc(5 * 1024 * 1024, 'part '))
    const path = key('large')
    const started = await at(`${path}?uploads`, { method: 'POST', headers: { 'content-type': 'audio/flac' } })
    const { upload_id } = (await started.json()) as { upload_id: string }
    const parts = []
    for (const [index, body] of [first, bytes].entries()) {
      const response = await at(`${path}?upload_id=${upload_id}&part=${index + 1}`, { method: 'PUT', body })
      expect(response.status).toBe(200)
      parts.push(await response.json())
    }
    const finish = (list: unknown) =>
      callJson(
        server,
        `/agent/v1/artifacts/${path}?upload_id=${upload_id}&complete`,
        { parts: list },
        { token: grant.token },
      )
    expect((await problemOf(await finish([]))).status).toBe(400)
    expect((await problemOf(await finish([{ part: 1, etag: 'made up' }]))).status).toBe(400)
    const done = await finish(parts)
    expect(done.status).toBe(201)
    expect(await done.json()).toEqual({ key: path, size_bytes: first.length + bytes.length })
    const stored = await get(path, `bytes=${first.length - 5}-`)
    expect(await stored.text()).toBe('part 0123456789')
    expect(stored.headers.get('content-type')).toBe('audio/flac')
    expect((await at(`${path}?upload_id=${upload_id}`, { method: 'DELETE' })).status).toBe(204)
  })

  test('[P65] an upload that is not there, and bodies that do not fit, are told apart', async () => {
    const path = key('odd')
    const put = (query: string, body: Uint8Array<ArrayBuffer>) =>
      at(`${path}${query}`, { method: 'PUT', body })
    expect((await problemOf(await put('?upload_id=none&part=1', bytes))).status).toBe(404)
    for (const part of ['', '0', '10001', 'x', '1.5']) {
      expect((await problemOf(await put(`?upload_id=none&part=${part}`, bytes))).status).toBe(400)
    }
    const complete = (...parts: readonly number[]) =>
      callJson(
        server,
        `/agent/v1/artifacts/${path}?upload_id=none&complete`,
        { parts: parts.map((part) => ({ part, etag: 'x' })) },
        { token: grant.token },
      )
    expect((await problemOf(await complete(1, 1))).status).toBe(400)
    // R2 answers an unknown id as it answers its own failures.
    expect((await problemOf(await complete(1))).status).toBe(503)
    const abort = await at(`${path}?upload_id=none`, { method: 'DELETE' })
    expect((await problemOf(abort)).status).toBe(503)
    expect((await problemOf(await at(path, { method: 'DELETE' }))).status).toBe(400)
    expect((await problemOf(await at(path, { method: 'POST' }))).status).toBe(400)
    expect((await problemOf(await put('', new Uint8Array(32 * 1024 * 1024 + 1)))).status).toBe(413)
    const chunked = await at(path, { method: 'PUT', body: new Blob([bytes]).stream() })
    expect((await problemOf(chunked)).status).toBe(411)
    expect((await problemOf(await get('%E0%A4%A'))).status).toBe(400)
    expect((await problemOf(await get(`jobs/${'x'.repeat(1100)}`))).status).toBe(400)
  })
})
