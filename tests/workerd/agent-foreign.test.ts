import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mintTaskToken } from '../../control-plane/access/task-token.ts'
import { ScriptedAgent } from './kit/agent.ts'
import { call, callJson, problemOf, readJob, submitted, TRANSCRIPTIONS } from './kit/api.ts'
import { completed, failed, line } from './kit/outcomes.ts'
import { objectKeys, type Server, startServer } from './kit/server.ts'

let server: Server
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

describe('what another agent holds', () => {
  test('[O11] a result over HTTP from who does not hold the task, and every frame about it, changes nothing', async () => {
    const [holder, thief] = [
      await ScriptedAgent.connect(server),
      await ScriptedAgent.connect(server, { engines: [] }),
    ]
    const { id } = await submitted(server)
    const grant = await holder.accept(id, 'prepare')
    holder.start(grant)
    const { task_id, fence } = grant
    const token = thief.joined.credential
    for (const outcome of [
      failed('stolen'),
      completed('prepare', []),
      { status: 'handed_back', reason: 'x' } as const,
    ]) {
      const result = { type: 'task.result', task_id, fence, outcome }
      const answer = await callJson(server, '/agent/v1/results', result, { token })
      expect(await answer.json()).toMatchObject({ answer: 'stale' })
    }
    thief.send({ type: 'task.accept', task_id, fence })
    thief.send({ type: 'task.decline', task_id, fence, reason: 'x' })
    thief.send({ type: 'task.started', task_id, fence })
    thief.progress(grant, 99, 'stolen words')
    thief.send({ type: 'lease.extend', leases: [{ task_id, fence }] })
    expect((await thief.next('lease.extended')).lost).toEqual([{ task_id, fence }])
    const job = await readJob(server, id)
    expect(job.stages[0]).toMatchObject({ status: 'running', agent_id: holder.joined.agent_id })
    expect(job.progress.overall).toBe(0)

    const artifact = await holder.upload(grant, 'audio.s16', new Uint8Array(64))
    expect(await holder.result(grant, completed('prepare', [artifact]))).toBe('accepted')
    await holder.run(id, 'transcribe', line(0, 0, 'mine'))
    await Promise.all([holder.leave(), thief.leave()])
  })

  test('[P63] a token of another task, another fence, expired or forged opens no artifact: nothing is read or stored', async () => {
    const agent = await ScriptedAgent.connect(server)
    const jobs = [await submitted(server), await submitted(server)] as const
    const [mine, other] = [
      await agent.accept(jobs[0].id, 'prepare'),
      await agent.accept(jobs[1].id, 'prepare'),
    ]
    const claims = { taskId: mine.task_id, fence: 1, outputPrefix: mine.output_prefix }
    const soon = Date.now() + 60_000
    const later = { ...claims, fence: 2, outputPrefix: mine.output_prefix.replace('/f1/', '/f2/') }
    const [payload = '', signature = ''] = mine.token.split('.').slice(1)
    const swapped = Buffer.from(JSON.stringify({ ...claims, expiresAtMs: soon })).toString('base64url')
    const tokens: [string, string, number, number][] = [
      ['of another job', other.token, 403, 403],
      // Of the same job: it may read, but its own prefix is another.
      [
        'of another fence',
        await mintTaskToken(server.tokenSecret, { ...later, expiresAtMs: soon }),
        200,
        403,
      ],
      [
        'expired',
        await mintTaskToken(server.tokenSecret, { ...claims, expiresAtMs: Date.now() - 1 }),
        401,
        401,
      ],
      ['forged', await mintTaskToken('y'.repeat(32), { ...claims, expiresAtMs: soon }), 401, 401],
      ['with other claims under its signature', `tt.${swapped}.${signature}`, 401, 401],
      ['without a signature', `tt.${payload}.`, 401, 401],
      ["an agent's credential", agent.joined.credential, 401, 401],
    ]
    await agent.upload(mine, 'audio.s16', 'mine')
    for (const [what, token, readStatus, writeStatus] of tokens) {
      const at = (name: string, query = '') => `/agent/v1/artifacts/${mine.output_prefix}${name}${query}`
      const read = await call(server, at('audio.s16'), { token })
      expect([what, read.status]).toEqual([what, readStatus])
      await read.body?.cancel()
      const head = await call(server, at('audio.s16'), { token, method: 'HEAD' })
      expect([what, head.status]).toEqual([what, readStatus])
      const writes = [
        await call(server, at('audio.s16'), { token, method: 'PUT', body: 'theirs' }),
        await call(server, at('x', '?uploads'), { token, method: 'POST' }),
        await call(server, at('x', '?upload_id=x&part=1'), { token, method: 'PUT', body: 'theirs' }),
        await callJson(
          server,
          at('x', '?upload_id=x&complete'),
          { parts: [{ part: 1, etag: 'x' }] },
          { token },
        ),
        await call(server, at('x', '?upload_id=x'), { token, method: 'DELETE' }),
      ]
      for (const write of writes) expect([what, (await problemOf(write)).status]).toEqual([what, writeStatus])
    }
    expect(await objectKeys(server, mine.output_prefix)).toEqual([`${mine.output_prefix}audio.s16`])
    const kept = await server.env.BUCKET.get(`${mine.output_prefix}audio.s16`)
    expect(await kept?.text()).toBe('mine')
    for (const { id } of jobs) await call(server, `${TRANSCRIPTIONS}/${id}/cancel`, { method: 'POST' })
    await agent.leave()
  })
})
