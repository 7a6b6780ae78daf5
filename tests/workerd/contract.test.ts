import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Health } from '#protocol/api.ts'
import { PROBLEMS } from '#protocol/problem.ts'
import { ROUTES } from '../../control-plane/http/routes.ts'
import { call, callJson, formOf, problemOf, submit, TRANSCRIPTIONS } from './kit/api.ts'
import { CANARY, type Doors, hasBody, openDoors, pathOf } from './kit/doors.ts'
import { failed } from './kit/outcomes.ts'
import { RawRequest } from './kit/raw-http.ts'
import { type Server, startServer } from './kit/server.ts'

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
      const token = doors.tokens[route.credential] || null
      const cases = BAD_SEGMENTS.flatMap((bad, index) => {
        const values = {
          id: bad,
          number: bad,
          format: bad,
          rest: bad,
          key: `${doors.grant.output_prefix}${bad}`,
        }
        const [type, body] = BAD_BODIES[index % BAD_BODIES.length] ?? ['', '']
        const query = QUERIES[index % QUERIES.length]
        const bodies = hasBody(route)
          ? [[type, body] as const, ...(index === 0 ? BAD_BODIES : [])]
          : [[type, null] as const]
        return bodies.map(([type, body]) => ({ path: `${pathOf(doors, route, values)}${query}`, type, body }))
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
      `${TRANSCRIPTIONS}/${doors.jobId}/x`,
    ]) {
      expect((await problemOf(await call(server, path))).status).toBe(404)
    }
    const allowed: [string, string, string][] = [
      ['PATCH', TRANSCRIPTIONS, 'POST, GET'],
      ['PUT', `${TRANSCRIPTIONS}/${doors.jobId}`, 'GET, DELETE'],
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

  test('[P86] the type of every problem is a page that can be read without a key; an unknown page says so', async () => {
    for (const code of Object.keys(PROBLEMS)) {
      const page = await call(server, `/problems/${code}`, { token: null })
      expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
      expect(await page.text()).toContain(code)
    }
    const unknown = await call(server, '/problems/none', { token: null })
    expect(unknown.status).toBe(404)
    expect(await unknown.text()).toContain('Nothing is here')
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
      const late = { ...doors.grant, fence: code === 'a' ? 40 : 41 }
      await doors.agent.result(late, failed(code))
    }
    const none = { task_id: `job_${'0'.repeat(26)}.prepare`, fence: 1 } as typeof doors.grant
    await doors.agent.result(none, failed('none'))
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
  expect((await problemOf(await call(server, `${TRANSCRIPTIONS}/${doors.jobId}`))).status).toBe(503)
  await server.env.DB.exec('ALTER TABLE jobs_away RENAME TO jobs')
  await callJson(server, '/agent/v1/results', { outcome: CANARY }, { token: doors.agent.joined.credential })
  doors.agent.progress(doors.grant, 1, CANARY)
  const logs = server.harness.getLogs().map((log) => log.message)
  expect(logs.join('\n')).toContain('_failed')
  for (const secret of [CANARY, ...Object.values(doors.tokens).filter((token) => token !== '')]) {
    expect(logs.join('\n')).not.toContain(secret)
  }
})
