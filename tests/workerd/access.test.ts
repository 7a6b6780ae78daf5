import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CreatedJoinToken } from '#protocol/api.ts'
import { KEY_RANDOM_BYTES, newKey } from '#protocol/key.ts'
import { ROUTES, type Route } from '../../control-plane/http/routes.ts'
import { call, callJson, problemOf, readJob, TRANSCRIPTIONS } from './kit/api.ts'
import { type Doors, hasBody, openDoors, pathOf } from './kit/doors.ts'
import { countRows, keyOfTenant, type Server, startServer } from './kit/server.ts'

let server: Server
let doors: Doors
beforeAll(async () => {
  server = await startServer()
  doors = await openDoors(server)
})
afterAll(async () => {
  await doors.agent.leave()
  await server.close()
})

async function knock(
  route: Route,
  token: string | null,
  path = pathOf(doors, route),
  body = 'not what is expected',
): Promise<Response> {
  return call(server, path, { method: route.method, token, body: hasBody(route) ? body : null })
}

describe('who may do what', () => {
  const named = ROUTES.map((route) => [`${route.method} ${route.path}`, route] as const)

  test('[P70] every route names its credential, and only /health takes none', () => {
    expect(named.filter(([, route]) => route.credential === 'none').map(([name]) => name)).toEqual([
      'GET /health',
    ])
  })

  test.each(named)('[P71] %s takes its own kind of credential and no other', async (_name, route) => {
    const others = Object.entries(doors.tokens).filter(
      ([kind]) => kind !== route.credential && kind !== 'none',
    )
    const expected = route.credential === 'none' ? 200 : 401
    const wrong = [...others.map(([, token]) => token), null, 'dk_x']
    const responses = await Promise.all(wrong.map((token) => knock(route, token)))
    for (const response of responses) {
      expect(response.status).toBe(expected)
      if (route.method === 'HEAD' || expected === 200) await response.text()
      else {
        expect(response.headers.get('www-authenticate')).toBe('Bearer')
        expect((await problemOf(response)).code).toBe('unauthorized')
      }
    }
    if (route.credential === 'none') return
    const elsewhere = pathOf(doors, route, { id: `job_${'0'.repeat(26)}` })
    const own = await knock(route, doors.tokens[route.credential], elsewhere)
    expect(own.status).not.toBe(401)
    expect(own.status).not.toBe(500)
    await own.body?.cancel()
  })

  test('[P72] keys with a wrong checksum, unknown, revoked, or in another scheme open nothing', async () => {
    const revoked = await keyOfTenant(server, 'revoked')
    expect((await call(server, '/v1/agents', { token: revoked })).status).toBe(200)
    await server.env.DB.exec("UPDATE keys SET revoked_at_ms = 1 WHERE tenant_id = 'revoked'")
    const unknown = newKey('dk', randomBytes(KEY_RANDOM_BYTES))
    for (const token of [
      revoked,
      unknown,
      `${server.key.slice(0, -1)}-`,
      ` ${server.key}`,
      'x'.repeat(3000),
    ]) {
      expect((await call(server, '/v1/agents', { token })).status).toBe(401)
    }
    const basic = { authorization: `Basic ${Buffer.from(`x:${server.key}`).toString('base64')}` }
    expect((await call(server, '/v1/agents', { token: null, headers: basic })).status).toBe(401)
    expect((await call(server, `/v1/agents?key=${server.key}`, { token: null })).status).toBe(401)
  })

  test('[P73] the first key, once revoked, stays out although it is still ADMIN_KEY', async () => {
    await server.env.DB.exec("UPDATE keys SET revoked_at_ms = 1 WHERE id = 'key_admin'")
    expect((await call(server, '/v1/agents')).status).toBe(401)
    await server.env.DB.exec("UPDATE keys SET revoked_at_ms = NULL WHERE id = 'key_admin'")
    expect((await call(server, '/v1/agents')).status).toBe(200)
  })

  test('[P73] a new ADMIN_KEY takes the place of the one before, which opens nothing any more', async () => {
    // As if the row were of an earlier secret: it was used once, then the secret changed.
    await server.env.DB.exec("UPDATE keys SET hash = 'of an earlier one' WHERE id = 'key_admin'")
    expect((await call(server, '/v1/agents')).status).toBe(200)
    expect(await countRows(server, "keys WHERE hash = 'of an earlier one'")).toBe(0)
    const old = await keyOfTenant(server, 'default')
    await server.env.DB.exec("UPDATE keys SET id = 'key_moved' WHERE id = 'key_admin'")
    await server.env.DB.prepare("UPDATE keys SET id = 'key_admin' WHERE id LIKE 'key_default_%'").run()
    expect((await call(server, '/v1/agents', { token: old })).status).toBe(401)
    await server.env.DB.exec("DELETE FROM keys WHERE id = 'key_admin'")
    await server.env.DB.exec("UPDATE keys SET id = 'key_admin' WHERE id = 'key_moved'")
  })

  test('[P74] a join token that is over lets nobody in, and goes when the next is made', async () => {
    const created = await callJson(server, '/v1/agents/tokens', { expires_in_seconds: 60 })
    const { token, expires_at } = CreatedJoinToken.parse(await created.json())
    await server.env.DB.prepare('UPDATE join_tokens SET expires_at_ms = 1 WHERE expires_at_ms = ?')
      .bind(Date.parse(expires_at))
      .run()
    expect((await callJson(server, '/agent/v1/join', { name: 'late' }, { token })).status).toBe(401)
    await callJson(server, '/v1/agents/tokens', {})
    expect(await countRows(server, 'join_tokens WHERE expires_at_ms = 1')).toBe(0)
    for (const wanted of [{ expires_in_seconds: 5 }, { pool: 'No Slug' }, { scope: 'admin' }]) {
      expect((await problemOf(await callJson(server, '/v1/agents/tokens', wanted))).status).toBe(400)
    }
  })

  test("[P75] another tenant's job does not exist, on any route, and stays as it is", async () => {
    const token = await keyOfTenant(server, 'other')
    const routes = ROUTES.filter((route) => route.path.startsWith(`${TRANSCRIPTIONS}/:id`))
    expect(routes.length).toBeGreaterThan(4)
    // What each route would take for a job of one's own.
    const body = JSON.stringify({ from_stage: 'merge' })
    for (const route of routes) {
      const nowhere = pathOf(doors, route, { id: `job_${'0'.repeat(26)}` })
      const unknown = await problemOf(await knock(route, token, nowhere, body))
      const foreign = await problemOf(await knock(route, token, pathOf(doors, route), body))
      expect([foreign.status, foreign.detail]).toEqual([404, unknown.detail])
    }
    const list = await (await call(server, TRANSCRIPTIONS, { token })).json()
    expect(list).toEqual({ jobs: [], cursor: null, has_more: false })
    expect(await (await call(server, '/metrics', { token })).text()).not.toMatch(/dalston_jobs\{/)
    expect(await readJob(server, doors.jobId)).toMatchObject({ status: 'pending' })
  })

  test('[P76] what callers must not set is set by nobody: agent headers and request ids', async () => {
    const headers = { 'x-dalston-agent-id': 'agent_x', 'x-request-id': 'mine-1' }
    const response = await call(server, '/v1/agents', { headers })
    expect(response.headers.get('x-request-id')).toBe('mine-1')
    const bad = await call(server, '/v1/agents', { headers: { 'x-request-id': 'a b<script>' } })
    expect(bad.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/)
  })
})
