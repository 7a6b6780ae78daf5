import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CreatedJoinToken, Joined, JoinTokenList, RotatedCredential } from '#protocol/api.ts'
import { KEY_RANDOM_BYTES, newKey } from '#protocol/key.ts'
import { hashSecret } from '../../control-plane/access/hmac.ts'
import { ScriptedAgent } from './kit/agent.ts'
import { call, callJson, problemOf, submitted, TRANSCRIPTIONS } from './kit/api.ts'
import { completed } from './kit/outcomes.ts'
import { keyOfTenant, type Server, startServer } from './kit/server.ts'

let server: Server
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

const DAY_MS = 86_400_000
const TOKENS = '/v1/agents/tokens'

/** Every agent route, as whoever shows this credential finds it: open or not. */
async function opens(credential: string): Promise<boolean> {
  const responses = await Promise.all([
    call(server, '/agent/v1/connect', { token: credential }),
    callJson(server, '/agent/v1/results', {}, { token: credential }),
  ])
  const statuses = responses.map((response) => response.status)
  await Promise.all(responses.map((response) => response.body?.cancel()))
  // 400: let in, and then told that this is no upgrade and no result.
  if (statuses.every((status) => status === 400)) return true
  if (statuses.every((status) => status === 401)) return false
  throw new Error(`some routes open, some do not: ${statuses}`)
}

async function rotate(credential: string): Promise<string> {
  const response = await call(server, '/agent/v1/credential', { method: 'POST', token: credential })
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`)
  return RotatedCredential.parse(await response.json()).credential
}

describe('join tokens', () => {
  const create = async (token = server.key) =>
    CreatedJoinToken.parse(await (await callJson(server, TOKENS, {}, { token })).json())
  const list = async (token = server.key) =>
    JoinTokenList.parse(await (await call(server, TOKENS, { token })).json()).tokens
  const join = (token: string, name = 'box') => callJson(server, '/agent/v1/join', { name }, { token })
  const revoke = (id: string, token = server.key) =>
    call(server, `${TOKENS}/${id}`, { method: 'DELETE', token })

  test('[P77] they are listed without their secret, newest first, with their uses', async () => {
    const [older, newer] = [await create(), await create()]
    for (const name of ['a', 'b']) expect((await join(older.token, name)).status).toBe(201)
    expect((await problemOf(await join(older.token, ''))).status).toBe(400)
    const text = await (await call(server, TOKENS)).text()
    for (const { token } of [older, newer]) expect(text).not.toContain(token.slice(7, -4))
    const tokens = await list()
    expect(tokens.map(({ id }) => id)).toEqual([newer.id, older.id])
    expect(tokens[1]).toMatchObject({
      prefix: older.token.slice(0, 6),
      last_four: older.token.slice(-4),
      expires_at: older.expires_at,
      used_count: 2,
      revoked_at: null,
    })
  })

  test('[P77] a revoked one lets nobody in and says so; who joined with it stays', async () => {
    const { id, token } = await create()
    const { credential } = Joined.parse(await (await join(token)).json())
    expect((await revoke(id)).status).toBe(204)
    const [{ revoked_at } = { revoked_at: null }] = await list()
    const minute = revoked_at?.slice(0, 16).replace('T', ' ')
    const problem = await problemOf(await join(token))
    expect([problem.status, problem.detail]).toEqual([
      401,
      `This join token was revoked on ${minute} UTC. Get a new one with \`dalston agents token\`.`,
    ])
    expect((await revoke(id)).status).toBe(204)
    expect((await list())[0]).toMatchObject({ revoked_at, used_count: 1 })
    expect(await opens(credential)).toBe(true)
  })

  test('[P77] an expired one says when; one that never was, nothing more', async () => {
    const { id, token } = await create()
    await server.env.DB.prepare('UPDATE join_tokens SET expires_at_ms = ? WHERE id = ?')
      .bind(Date.now() - 1, id)
      .run()
    const problem = await problemOf(await join(token))
    expect([problem.status, problem.detail]).toEqual([
      401,
      expect.stringMatching(/^This join token expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC\./),
    ])
    const unknown = await problemOf(await join(newKey('dj', randomBytes(KEY_RANDOM_BYTES))))
    expect(unknown.detail).toMatch(/^Expected a join token \(dj_…\) that is valid now\./)
  })

  test("[P55] another tenant's do not exist", async () => {
    const other = await keyOfTenant(server, 'other')
    const { id, token } = await create()
    expect(await list(other)).toEqual([])
    for (const unknown of [await revoke(id, other), await revoke('token_x'), await revoke('%00', other)])
      expect((await problemOf(unknown)).status).toBe(404)
    expect((await join(token)).status).toBe(201)
  })
})

describe('rotation', () => {
  const joined = async () => {
    const agent = await ScriptedAgent.connect(server, { engines: [] })
    await agent.leave()
    return agent.joined
  }

  test('[P78] both open until the new one is first used', async () => {
    const { credential: old } = await joined()
    const next = await rotate(old)
    expect(next).not.toBe(old)
    expect(await opens(old)).toBe(true)
    expect(await opens(next)).toBe(true)
    expect([await opens(old), await opens(next)]).toEqual([false, true])
    expect((await call(server, '/agent/v1/credential', { method: 'POST', token: old })).status).toBe(401)
  })

  test('[P78] the old one dies a day after, used or not', async () => {
    const { credential: old, agent_id } = await joined()
    const next = await rotate(old)
    const age = (ms: number) =>
      server.env.DB.prepare('UPDATE agents SET next_at_ms = next_at_ms - ? WHERE id = ?')
        .bind(ms, agent_id)
        .run()
    await age(DAY_MS - 60_000)
    expect(await opens(old)).toBe(true)
    await age(60_000)
    expect([await opens(old), await opens(next)]).toEqual([false, true])
  })

  test('[P78] rotating twice leaves two: a new one takes the place of one that was never used', async () => {
    const { credential: old } = await joined()
    const [lost, next] = [await rotate(old), await rotate(old)]
    expect([await opens(lost), await opens(old), await opens(next), await opens(old)]).toEqual([
      false,
      true,
      true,
      false,
    ])
    const later = await rotate(next)
    const last = await rotate(later)
    expect([await opens(next), await opens(later), await opens(last)]).toEqual([false, true, true])
  })

  test('[P78] rotations at once leave one new credential, and the old one', async () => {
    const { credential: old } = await joined()
    const made = await Promise.all([1, 2, 3, 4].map(() => rotate(old)))
    expect(await opens(old)).toBe(true)
    const open = []
    for (const credential of made) if (await opens(credential)) open.push(credential)
    expect(open).toHaveLength(1)
  })

  test('[P78] a socket that was opened with the old one lives on; the agent stays the same', async () => {
    const agent = await ScriptedAgent.connect(server, { engines: [] })
    const credential = await rotate(agent.joined.credential)
    expect(await opens(credential)).toBe(true)
    agent.sendRaw('ping')
    await agent.pong()
    const joined = { ...agent.joined, credential }
    const back = await ScriptedAgent.connect(server, { joined, engines: [] })
    expect((await agent.closed).code).toBe(4009)
    await back.leave()
  })

  test('[P78] only hashes under the secret of the installation are kept', async () => {
    const { credential, agent_id } = await joined()
    const next = await rotate(credential)
    const row = await server.env.DB.prepare('SELECT * FROM agents WHERE id = ?').bind(agent_id).first()
    expect(row).toMatchObject({
      credential_hash: await hashSecret(server.tokenSecret, credential),
      next_hash: await hashSecret(server.tokenSecret, next),
    })
    for (const secret of [credential, next]) expect(JSON.stringify(row)).not.toContain(secret.slice(3))
  })
})

describe('removal', () => {
  const remove = (id: string) => call(server, `/v1/agents/${id}`, { method: 'DELETE' })

  test('[P79] the socket is cut with 4001, its tasks go to others, its credentials open nothing, its token nothing of worth', async () => {
    const agent = await ScriptedAgent.connect(server)
    const { agent_id, credential } = agent.joined
    const next = await rotate(credential)
    const { id } = await submitted(server)
    const grant = await agent.accept(id, 'prepare')
    agent.start(grant)
    const heir = await ScriptedAgent.connect(server)

    expect((await remove(agent_id)).status).toBe(204)
    expect(await agent.closed).toMatchObject({ code: 4001, reason: 'the credential was revoked' })
    expect([await opens(credential), await opens(next)]).toEqual([false, false])
    await expect(ScriptedAgent.connect(server, { joined: agent.joined })).rejects.toThrow('401')
    for (const token of [credential, next]) {
      const refused = await call(server, '/agent/v1/credential', { method: 'POST', token })
      expect((await problemOf(refused)).detail).toContain('revoked')
    }
    expect((await problemOf(await call(server, `/v1/agents/${agent_id}`))).status).toBe(404)
    expect((await problemOf(await callJson(server, `/v1/agents/${agent_id}/undrain`, {}))).status).toBe(404)

    // Its task token lives on for minutes: what it stores lies under a fence of which no result is taken.
    const artifact = await agent.upload(grant, 'audio.s16', new Uint8Array(64))
    const taken = await heir.accept(id, 'prepare')
    expect(taken.fence).toBe(grant.fence + 1)
    heir.start(taken)
    const { task_id } = grant
    const late = { type: 'task.result', task_id, fence: 1, outcome: completed('prepare', [artifact]) }
    expect((await callJson(server, '/agent/v1/results', late, { token: credential })).status).toBe(401)
    const theft = completed('prepare', [artifact])
    expect(await heir.result({ ...taken, fence: grant.fence }, theft)).toBe('stale')

    expect((await remove(agent_id)).status).toBe(204)
    await call(server, `${TRANSCRIPTIONS}/${id}/cancel`, { method: 'POST' })
    await heir.leave()
  })

  test('[P79] a socket that has not said hello is cut as well: it would be let in', async () => {
    const agent = await ScriptedAgent.connect(server, { greets: false })
    expect((await remove(agent.joined.agent_id)).status).toBe(204)
    expect(await agent.refused()).toBe(4001)
  })

  test('[P79] an agent that is away is removed as well, and does not come back', async () => {
    const agent = await ScriptedAgent.connect(server, { engines: [] })
    await agent.leave()
    expect((await remove(agent.joined.agent_id)).status).toBe(204)
    await expect(ScriptedAgent.connect(server, { joined: agent.joined })).rejects.toThrow('401')
    const list = await (await call(server, '/v1/agents')).text()
    expect(list).not.toContain(agent.joined.agent_id)
  })
})
