import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CreatedJoinToken, Health } from '#protocol/api.ts'
import type { JobId } from '#protocol/ids.ts'
import { KEY_RANDOM_BYTES, newKey } from '#protocol/key.ts'
import { mintTaskToken } from '../../control-plane/access/task-token.ts'
import { ROUTES, type Route } from '../../control-plane/http/routes.ts'
import { ScriptedAgent } from './kit/agent.ts'
import { call, callJson, formOf, problemOf, readJob, submit, submitted, TRANSCRIPTIONS } from './kit/api.ts'
import { failed } from './kit/outcomes.ts'
import { RawRequest } from './kit/raw-http.ts'
import { countRows, keyOfTenant, type Server, startServer } from './kit/server.ts'

/** Words that must stand in no log: in a name, a transcript, a credential. */
const CANARY = 'canary-078-05-1120'

let server: Server
let agent: ScriptedAgent
let jobId: JobId
let grant: Awaited<ReturnType<ScriptedAgent['accept']>>
let tokens: Record<Route['credential'] | 'tampered' | 'expired' | 'foreign', string>
beforeAll(async () => {
  server = await startServer()
  agent = await ScriptedAgent.connect(server, { name: CANARY, slots: 1000 })
  jobId = (await submitted(server, { name: CANARY })).id
  grant = await agent.accept(jobId, 'prepare')
  const created = await callJson(server, '/v1/agents/tokens', {})
  const { token: join } = CreatedJoinToken.parse(await created.json())
  const claims = { taskId: grant.task_id, fence: 1, outputPrefix: grant.output_prefix }
  tokens = {
    none: '',
    key: server.key,
    join,
    agent: agent.joined.credential,
    task: grant.token,
    tampered: `${grant.token.slice(0, -2)}AA`,
    expired: await mintTaskToken(server.tokenSecret, { ...claims, expiresAtMs: Date.now() - 1 }),
    foreign: await mintTaskToken('x'.repeat(32), { ...claims, expiresAtMs: Date.now() + 60_000 }),
  }
})
afterAll(async () => {
  await agent.leave()
  await server.close()
})

/** A path of a route, with the job, upload or artifact that this file has. */
function pathOf(route: Route, values: Readonly<Record<string, string>> = {}): string {
  const known: Record<string, string> = { id: jobId, number: '1', format: 'txt', rest: 'x', ...values }
  known.key ??= `${grant.output_prefix}x`
  return route.path.replace(/:(\w+)\+?/g, (_all, name: string) => known[name] ?? name)
}

async function knock(route: Route, token: string | null, path = pathOf(route)): Promise<Response> {
  const hasBody = route.method === 'POST' || route.method === 'PUT'
  return call(server, path, { method: route.method, token, body: hasBody ? 'not what is expected' : null })
}

describe('who may do what', () => {
  const named = ROUTES.map((route) => [`${route.method} ${route.path}`, route] as const)

  test('[P70] every route names its credential, and only /health takes none', () => {
    expect(named.filter(([, route]) => route.credential === 'none').map(([name]) => name)).toEqual([
      'GET /health',
    ])
  })

  test.each(named)('[P71] %s takes its own kind of credential and no other', async (_name, route) => {
    const others = Object.entries(tokens).filter(([kind]) => kind !== route.credential && kind !== 'none')
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
    const elsewhere = pathOf(route, { id: `job_${'0'.repeat(26)}` })
    const own = await knock(route, tokens[route.credential], elsewhere)
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
    for (const route of routes) {
      const unknown = await problemOf(
        await knock(route, token, pathOf(route, { id: `job_${'0'.repeat(26)}` })),
      )
      const foreign = await problemOf(await knock(route, token))
      expect([foreign.status, foreign.detail]).toEqual([404, unknown.detail])
    }
    const list = await (await call(server, TRANSCRIPTIONS, { token })).json()
    expect(list).toEqual({ jobs: [], cursor: null, has_more: false })
    expect(await (await call(server, '/metrics', { token })).text()).not.toMatch(/dalston_jobs\{/)
    expect(await readJob(server, jobId)).toMatchObject({ status: 'pending' })
  })

  test('[P76] what callers must not set is set by nobody: agent headers and request ids', async () => {
    const headers = { 'x-dalston-agent-id': 'agent_x', 'x-request-id': 'mine-1' }
    const response = await call(server, '/v1/agents', { headers })
    expect(response.headers.get('x-request-id')).toBe('mine-1')
    const bad = await call(server, '/v1/agents', { headers: { 'x-request-id': 'a b<script>' } })
    expect(bad.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/)
  })
})

describe('bad input', () => {
  const BAD_SEGMENTS = [
    '%00',
    '%E0%A4%A',
    '..%2f..',
    '%3Cscript%3E',
    'x'.repeat(3000),
    '-1',
    '💥',
    "';--",
    '%2e%2e',
  ]
  const BAD_BODIES: readonly (readonly [string, string])[] = [
    ['application/json', '{'],
    ['application/json', '[]'],
    ['application/json', '"\\ud800"'],
    ['application/json', '{"__proto__":{"x":1},"file":1,"limit":1e999}'],
    ['application/json', `{"name":${'['.repeat(20_000)}`],
    ['application/json', '{"parts":[{"part":1,"etag":"x"}],"file_name":"\\u0000","size_bytes":1.5}'],
    ['multipart/form-data; boundary=', '--x'],
    ['multipart/form-data; boundary=x', '--x\r\nContent-Disposition: form-data; name="\\\\\\'],
    [
      'multipart/form-data; boundary=x',
      "--x\r\nContent-Disposition: form-data; name=file; filename*=utf-8''%\r\n\r\n1\r\n--x--",
    ],
    ['text/plain', '\u0000'],
    ['application/x-www-form-urlencoded', 'a=%'],
  ]
  const QUERIES = [
    '',
    '?limit=%00&cursor=%ff&status=',
    '?upload_id=%00&part=NaN',
    '?uploads',
    '?upload_id=x&complete',
  ]

  test.each(ROUTES.map((route) => [`${route.method} ${route.path}`, route] as const))(
    '[P80] %s answers whatever comes with an answer of its own, never 500, never with a stack',
    async (_name, route) => {
      const token = tokens[route.credential] || null
      const hasBody = route.method === 'POST' || route.method === 'PUT'
      const cases = BAD_SEGMENTS.flatMap((bad, index) => {
        const values = { id: bad, number: bad, format: bad, rest: bad, key: `${grant.output_prefix}${bad}` }
        const [type, body] = BAD_BODIES[index % BAD_BODIES.length] ?? ['', '']
        const query = QUERIES[index % QUERIES.length]
        const bodies = hasBody
          ? [[type, body] as const, ...(index === 0 ? BAD_BODIES : [])]
          : [[type, null] as const]
        return bodies.map(([type, body]) => ({ path: `${pathOf(route, values)}${query}`, type, body }))
      })
      const knocks = cases.map(async ({ path, type, body }) => {
        const headers = { 'content-type': type, range: 'bytes=9-1', 'last-event-id': '9e9' }
        const response = await call(server, path, { method: route.method, token, headers, body })
        const shown = `${response.status} ${route.method} ${path.slice(0, 200)}`
        expect(response.status, shown).not.toBe(500)
        if (response.status < 400 || route.method === 'HEAD') await response.body?.cancel()
        else await problemOf(response)
      })
      await Promise.all(knocks)
    },
    20_000,
  )

  test('[P81] unknown paths are 404, wrong methods 405 with Allow', async () => {
    for (const path of [
      '/v1',
      '/v1/nothing',
      '/agent/v1',
      '/agent/v2/join',
      '/openai',
      `${TRANSCRIPTIONS}/${jobId}/x`,
    ]) {
      expect((await problemOf(await call(server, path))).status).toBe(404)
    }
    const allowed: [string, string, string][] = [
      ['PATCH', TRANSCRIPTIONS, 'POST, GET'],
      ['PUT', `${TRANSCRIPTIONS}/${jobId}`, 'GET, DELETE'],
      ['POST', '/health', 'GET'],
      ['OPTIONS', '/v1/engines', 'GET'],
      ['DELETE', '/agent/v1/join', 'POST'],
    ]
    for (const [method, path, allow] of allowed) {
      const response = await call(server, path, { method })
      expect(response.headers.get('allow')).toBe(allow)
      expect((await problemOf(response)).status).toBe(405)
    }
  })

  test('[P82] a head that is too large is a 4xx, and the server goes on', async () => {
    const large = await call(server, '/v1/engines', { headers: { 'x-long': 'x'.repeat(40_000) } })
    expect((await problemOf(large)).code).toBe('headers_too_large')
    const long = await call(server, `/v1/engines?x=${'x'.repeat(40_000)}`)
    expect((await problemOf(long)).status).toBe(431)
    // Beyond this the runtime itself refuses, or hangs up.
    const head = ['GET /v1/engines HTTP/1.1', `X-Long: ${'x'.repeat(1_000_000)}`]
    const { status } = await new RawRequest(server, head).answer.catch(() => ({ status: 431 }))
    expect(Math.floor(status / 100)).toBe(4)
    expect((await call(server, '/health', { token: null })).status).toBe(200)
  })

  test('[P83] answers carry security headers, and no other origin may read them', async () => {
    const response = await call(server, '/v1/engines', { headers: { origin: 'https://elsewhere.example' } })
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(response.headers.get('referrer-policy')).toBe('no-referrer')
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    expect(response.headers.get('cache-control')).toBe('no-store')
  })
})

describe('health and metrics', () => {
  test('[P84] health checks what it names, and says unhealthy when something is away', async () => {
    const healthy = Health.parse(await (await call(server, '/health', { token: null })).json())
    expect(healthy).toMatchObject({
      status: 'healthy',
      checks: { d1: 'ok', r2: 'ok', registry: 'ok' },
      agents_online: 1,
    })
  })

  test('[P85] metrics are Prometheus text: one HELP and TYPE a metric, bounded labels, no ids', async () => {
    for (const code of ['a', 'b']) {
      const late = { ...grant, fence: code === 'a' ? 40 : 41 }
      await agent.result(late, failed(code))
    }
    const none = { task_id: `job_${'0'.repeat(26)}.prepare`, fence: 1 } as typeof grant
    await agent.result(none, failed('none'))
    const text = await (await call(server, '/metrics')).text()
    const lines = text.trimEnd().split('\n')
    const helps = lines.filter((line) => line.startsWith('# HELP')).map((line) => line.split(' ')[2])
    expect(new Set(helps).size).toBe(helps.length)
    for (const line of lines)
      expect(line).toMatch(/^(# (HELP|TYPE) dalston_\w+ .+|dalston_\w+\{(\w+="[\w.-]*",?)*\} \d+)$/)
    expect(text).toMatch(/^dalston_jobs\{status="pending"\} \d+$/m)
    expect(text).toContain('dalston_task_results_total{pool="default",answer="stale"} 2')
    expect(text).toContain('dalston_task_results_total{pool="default",answer="gone"} 1')
    expect(text).not.toMatch(/job_|agent_|key_|canary/)
  })
})

test('[P90] logs hold no key, token, name or transcript, not even when the database fails', async () => {
  await server.env.DB.exec('ALTER TABLE jobs RENAME TO jobs_away')
  expect((await submit(server, formOf({ name: CANARY }))).status).toBe(503)
  expect((await problemOf(await call(server, `${TRANSCRIPTIONS}/${jobId}`))).status).toBe(503)
  await server.env.DB.exec('ALTER TABLE jobs_away RENAME TO jobs')
  await callJson(server, '/agent/v1/results', { outcome: CANARY }, { token: agent.joined.credential })
  agent.progress(grant, 1, CANARY)
  const logs = server.harness.getLogs().map((log) => log.message)
  expect(logs.join('\n')).toContain('_failed')
  for (const secret of [CANARY, ...Object.values(tokens).filter((token) => token !== '')]) {
    expect(logs.join('\n')).not.toContain(secret)
  }
})
