import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JobId } from '#protocol/ids.ts'
import { ScriptedAgent } from './kit/agent.ts'
import { call, callJson, problemOf, submitted, TRANSCRIPTIONS } from './kit/api.ts'
import { objectKeys, type Server, startServer } from './kit/server.ts'

let server: Server
let agent: ScriptedAgent
let jobId: JobId
let grant: Awaited<ReturnType<ScriptedAgent['accept']>>
beforeAll(async () => {
  server = await startServer()
  agent = await ScriptedAgent.connect(server, { slots: 1000 })
  jobId = (await submitted(server)).id
  grant = await agent.accept(jobId, 'prepare')
  agent.start(grant)
})
afterAll(async () => {
  await agent.leave()
  await server.close()
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
