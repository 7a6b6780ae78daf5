import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CreatedJob, UploadView } from '#protocol/api.ts'
import { ScriptedAgent } from './kit/agent.ts'
import { call, callJson, formOf, problemOf, readJob, submit, TRANSCRIPTIONS } from './kit/api.ts'
import { countRows, keyOfTenant, objectKeys, type Server, startServer, storedFiles } from './kit/server.ts'

const PART = 32 * 1024 * 1024
const TAIL = 5
const first = new Uint8Array(Buffer.alloc(PART, 'the first part of the recording. '))
const second = new Uint8Array(Buffer.from('tail!'))

let server: Server
let agent: ScriptedAgent
beforeAll(async () => {
  server = await startServer()
  agent = await ScriptedAgent.connect(server, { slots: 1000 })
})
afterAll(async () => {
  await agent.leave()
  await server.close()
})

async function create(size = PART + TAIL): Promise<UploadView> {
  const response = await callJson(server, '/v1/uploads', { file_name: 'long.wav', size_bytes: size })
  expect(response.status).toBe(201)
  const upload = UploadView.parse(await response.json())
  expect(response.headers.get('location')).toBe(`/v1/uploads/${upload.id}`)
  return upload
}

function put(id: string, number: number | string, body: Uint8Array<ArrayBuffer>): Promise<Response> {
  return call(server, `/v1/uploads/${id}/parts/${number}`, { method: 'PUT', body })
}

function complete(id: string): Promise<Response> {
  return call(server, `/v1/uploads/${id}/complete`, { method: 'POST' })
}

async function view(id: string): Promise<UploadView> {
  return UploadView.parse(await (await call(server, `/v1/uploads/${id}`)).json())
}

function submitUpload(id: string, more: Readonly<Record<string, string>> = {}): Promise<Response> {
  return callJson(server, TRANSCRIPTIONS, { upload_id: id, ...more })
}

/** A complete upload of a few bytes. */
async function small(): Promise<UploadView> {
  const { id } = await create(TAIL)
  expect((await put(id, 1, second)).status).toBe(204)
  return UploadView.parse(await (await complete(id)).json())
}

describe('parts', () => {
  test('[P20] a recording in parts: what is missing shows, parts come in any order and again, and become one job', async () => {
    const { id, part_count, part_size_bytes } = await create()
    expect({ part_count, part_size_bytes }).toEqual({ part_count: 2, part_size_bytes: PART })
    expect((await put(id, 2, second)).status).toBe(204)
    expect(await view(id)).toMatchObject({ received_parts: [2], completed: false })
    const early = await problemOf(await complete(id))
    expect(early).toMatchObject({ status: 409, detail: expect.stringContaining('1') })
    expect((await problemOf(await submitUpload(id))).status).toBe(409)
    expect((await put(id, 1, first)).status).toBe(204)
    expect((await put(id, 2, second)).status).toBe(204)
    expect(UploadView.parse(await (await complete(id)).json())).toMatchObject({ completed: true })
    expect(await (await complete(id)).json()).toMatchObject({ completed: true })

    const job = CreatedJob.parse(await (await submitUpload(id, { name: 'by parts' })).json())
    const object = await server.env.BUCKET.get(`jobs/${job.id}/upload`)
    const stored = Buffer.from((await object?.arrayBuffer()) ?? new ArrayBuffer(0))
    expect(stored.equals(Buffer.concat([first, second]))).toBe(true)
    expect((await readJob(server, job.id)).name).toBe('by parts')
  })

  test.each([
    ['too small', 1, second, 400],
    ['too large for its place', 2, new Uint8Array(TAIL + 1), 400],
    ['beyond a part', 1, new Uint8Array(PART + 1), 413],
    ['numbered 0', 0, second, 400],
    ['numbered 3 of 2', 3, second, 400],
    ['numbered 1e0', '1e0', second, 400],
    ['numbered -1', -1, second, 400],
  ])('[P21] a part that is %s is refused', async (_what, number, body, status) => {
    const { id } = await create()
    expect((await problemOf(await put(id, number, body))).status).toBe(status)
    expect((await view(id)).received_parts).toEqual([])
  })

  test('[P21] a part without Content-Length is 411', async () => {
    const { id } = await create(TAIL)
    const path = `/v1/uploads/${id}/parts/1`
    const response = await call(server, path, { method: 'PUT', body: new Blob([second]).stream() })
    expect((await problemOf(response)).status).toBe(411)
  })

  test('[P22] a complete upload takes no more parts', async () => {
    const { id } = await small()
    expect((await problemOf(await put(id, 1, second))).status).toBe(409)
  })

  test('[P22] a completion that was cut off before its row was written can be repeated', async () => {
    const { id } = await small()
    await server.env.DB.prepare('UPDATE uploads SET completed_at_ms = NULL WHERE id = ?').bind(id).run()
    expect(await (await complete(id)).json()).toMatchObject({ completed: true })
  })

  test('[P23] an upload that is given up leaves nothing, whole or not', async () => {
    const before = storedFiles(server).length
    const open = await create(TAIL)
    await put(open.id, 1, second)
    const done = await small()
    for (const { id } of [open, done]) {
      expect((await call(server, `/v1/uploads/${id}`, { method: 'DELETE' })).status).toBe(204)
      expect((await call(server, `/v1/uploads/${id}`)).status).toBe(404)
    }
    expect(storedFiles(server).length).toBe(before)
  })

  test.each([
    [{ file_name: 'a.wav', size_bytes: 0 }],
    [{ file_name: 'a.wav', size_bytes: 30 * 1024 ** 3 }],
    [{ file_name: '', size_bytes: 1 }],
    [{ size_bytes: 1 }],
    [{ file_name: 'a.wav', size_bytes: 1, parts: 3 }],
    [[]],
  ])('[P24] %j is no upload', async (wanted) => {
    expect((await problemOf(await callJson(server, '/v1/uploads', wanted))).status).toBe(400)
  })
})

describe('an upload and its job', () => {
  test('[P25] submitting an upload twice, even at once, is one job', async () => {
    const { id } = await small()
    const both = await Promise.all([submitUpload(id), submitUpload(id)])
    const jobs = await Promise.all(both.map(async (response) => CreatedJob.parse(await response.json())))
    const third = CreatedJob.parse(await (await submitUpload(id)).json())
    expect(new Set([...jobs, third].map((job) => job.id)).size).toBe(1)
    expect(jobs[0]?.id).toBe(id.replace('upload_', 'job_'))
  })

  test('[P25] the job stays what the first submit made of it, whatever runs by then', async () => {
    const { id } = await small()
    const job = CreatedJob.parse(await (await submitUpload(id, { name: 'first' })).json())
    const again = CreatedJob.parse(await (await submitUpload(id, { name: 'second', language: 'de' })).json())
    expect(again).toMatchObject({ id: job.id, name: 'first' })
  })

  test('[P26] an upload that became a job is deleted with the job, and not before', async () => {
    const { id } = await small()
    const job = CreatedJob.parse(await (await submitUpload(id)).json())
    expect((await problemOf(await call(server, `/v1/uploads/${id}`, { method: 'DELETE' }))).status).toBe(409)
    expect(await objectKeys(server, `jobs/${job.id}/`)).toHaveLength(1)
    await call(server, `${TRANSCRIPTIONS}/${job.id}/cancel`, { method: 'POST' })
    expect((await call(server, `${TRANSCRIPTIONS}/${job.id}`, { method: 'DELETE' })).status).toBe(204)
    expect((await problemOf(await submitUpload(id))).status).toBe(404)
    expect((await call(server, `${TRANSCRIPTIONS}/${job.id}`)).status).toBe(404)
  })

  test('[P27] a file and an upload_id at once are refused', async () => {
    const { id } = await small()
    const problem = await problemOf(await submit(server, formOf({ upload_id: id })))
    expect(problem).toMatchObject({ status: 400, detail: expect.stringContaining('both') })
  })

  test("[P28] another tenant's upload does not exist", async () => {
    const { id } = await small()
    const token = await keyOfTenant(server, 'other')
    const paths: [string, string][] = [
      ['GET', `/v1/uploads/${id}`],
      ['DELETE', `/v1/uploads/${id}`],
      ['POST', `/v1/uploads/${id}/complete`],
    ]
    for (const [method, path] of paths) {
      expect((await problemOf(await call(server, path, { method, token }))).status).toBe(404)
    }
    const path = `/v1/uploads/${id}/parts/1`
    expect((await problemOf(await call(server, path, { method: 'PUT', body: second, token }))).status).toBe(
      404,
    )
    const stolen = await callJson(server, TRANSCRIPTIONS, { upload_id: id }, { token })
    expect((await problemOf(stolen)).status).toBe(404)
    expect((await view(id)).completed).toBe(true)
  })

  test('[P29] what nobody touched for a day goes when the next upload begins; a job keeps its recording', async () => {
    const abandoned = await create(TAIL)
    await put(abandoned.id, 1, second)
    const unused = await small()
    const used = await small()
    const job = CreatedJob.parse(await (await submitUpload(used.id)).json())
    const fresh = await small()
    const dayAgo = Date.now() - 25 * 3_600_000
    await server.env.DB.prepare(
      'UPDATE uploads SET created_at_ms = ?1, completed_at_ms = iif(completed_at_ms IS NULL, NULL, ?1) WHERE id <> ?2',
    )
      .bind(dayAgo, fresh.id)
      .run()
    const stale = async () => countRows(server, `uploads WHERE created_at_ms = ${dayAgo}`)
    // Each call clears a few: a bound on what one pays for others.
    for (let count = await stale(); count > 0; ) {
      await create(TAIL)
      const left = await stale()
      expect(count - left).toBeLessThanOrEqual(5)
      expect(left).toBeLessThan(count)
      count = left
    }
    for (const { id } of [abandoned, unused]) {
      expect((await call(server, `/v1/uploads/${id}`)).status).toBe(404)
      expect(await objectKeys(server, `jobs/${id.replace('upload_', 'job_')}/`)).toEqual([])
    }
    expect(await objectKeys(server, `jobs/${job.id}/`)).toHaveLength(1)
    expect((await view(fresh.id)).completed).toBe(true)
  })
})
