import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CreatedJob } from '#protocol/api.ts'
import { joinAgent, ScriptedAgent } from './kit/agent.ts'
import { call, formOf, problemOf, submit, submitted, TRANSCRIPTIONS } from './kit/api.ts'
import { aModel, anEngine } from './kit/engines.ts'
import { eventually } from './kit/eventually.ts'
import { BOUNDARY, fileOf, formBytes, MULTIPART, type Part } from './kit/forms.ts'
import { postHead, RawRequest } from './kit/raw-http.ts'
import { countRows, objectKeys, type Server, startServer, storedFiles } from './kit/server.ts'

let server: Server
let agent: ScriptedAgent

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server?.close())

function post(body: Uint8Array<ArrayBuffer>, contentType: string | null = MULTIPART): Promise<Response> {
  const headers: Record<string, string> = contentType === null ? {} : { 'content-type': contentType }
  return call(server, TRANSCRIPTIONS, { method: 'POST', headers, body })
}

function postParts(...parts: readonly Part[]): Promise<Response> {
  return post(formBytes(parts))
}

describe('with an agent', () => {
  beforeAll(async () => {
    agent = await ScriptedAgent.connect(server, { slots: 1000 })
  })
  afterAll(() => agent.leave())

  test('[P1] a submit answers 201 with Location, and its row is in D1 by then', async () => {
    const response = await submit(server, formOf({ name: 'Monday call', language: 'en' }))
    const job = CreatedJob.parse(await response.json())
    expect(response.status).toBe(201)
    expect(response.headers.get('location')).toBe(`${TRANSCRIPTIONS}/${job.id}`)
    expect(job).toMatchObject({ status: 'pending', name: 'Monday call' })
    const row = await server.env.DB.prepare('SELECT tenant_id, pool, status FROM jobs WHERE id = ?')
      .bind(job.id)
      .first()
    expect(row).toEqual({ tenant_id: 'default', pool: 'default', status: 'pending' })
    expect(await objectKeys(server, `jobs/${job.id}/`)).toEqual([`jobs/${job.id}/upload`])
  })

  test.each([
    ['before', [fileOf(), { name: 'language', body: 'en' }]],
    ['after', [{ name: 'language', body: 'en' }, fileOf()]],
  ])('[P2] the file may come %s the fields', async (_order, parts) => {
    expect((await postParts(...parts)).status).toBe(201)
  })

  test('[P3] a body without Content-Length arrives byte by byte and is stored exactly', async () => {
    const file = Uint8Array.from({ length: 600 }, (_, index) => [13, 10, 45, index % 256][index % 4] ?? 0)
    const bytes = formBytes([fileOf(file), { name: 'name', body: 'in pieces' }])
    const head = postHead(server, TRANSCRIPTIONS, `Content-Type: ${MULTIPART}`, 'Transfer-Encoding: chunked')
    const request = new RawRequest(server, head)
    for (let at = 0; at < bytes.length; at++) await request.chunk(bytes.subarray(at, at + 1))
    await request.send('0\r\n\r\n')
    const { status, text } = await request.answer
    expect(status).toBe(201)
    const id = /"id":"(job_\w+)"/.exec(text)?.[1]
    const object = await server.env.BUCKET.get(`jobs/${id}/upload`)
    expect(new Uint8Array((await object?.arrayBuffer()) ?? new ArrayBuffer(0))).toEqual(file)
  })

  test('[P4] a file that is larger than one part is stored exactly', async () => {
    const file = new Uint8Array(Buffer.alloc(9_000_001, 'no two parts of this are alike: 0123456789'))
    const response = await submit(server, formOf({}, file))
    const { id } = CreatedJob.parse(await response.json())
    const object = await server.env.BUCKET.get(`jobs/${id}/upload`)
    const stored = new Uint8Array((await object?.arrayBuffer()) ?? new ArrayBuffer(0))
    expect(Buffer.compare(stored, file)).toBe(0)
  })

  test.each([
    [{ task: 'transcribe', prompt: 'So,', vocabulary: 'Kovač, Dalston,', temperature: '0.2' }, 201],
    [{ vocabulary: '["Kovač, Ana"]' }, 201],
    [{ vocabulary: '' }, 201],
    [{ task: 'sing' }, 400],
    [{ temperature: '1.1' }, 400],
    [{ vocabulary: '["Kovač"' }, 400],
    [{ vocabulary: 'a,'.repeat(101) }, 400],
  ])('[SP6] what recognition is told: %j is answered %i', async (fields, status) => {
    expect((await submit(server, formOf(fields))).status).toBe(status)
  })

  test('[P5] the name falls back to the file name, which never becomes a path', async () => {
    const response = await postParts({ name: 'file', fileName: '../../<script>.wav', body: 'x' })
    const job = CreatedJob.parse(await response.json())
    expect(job.name).toBe('../../<script>.wav')
    expect(await objectKeys(server, `jobs/${job.id}/`)).toEqual([`jobs/${job.id}/upload`])
  })
})

describe('refusals leave nothing behind', () => {
  let before: { objects: number; jobs: number; files: number }
  beforeAll(async () => {
    agent = await ScriptedAgent.connect(server, { slots: 1000 })
  })
  afterAll(() => agent.leave())
  beforeEach(async () => {
    before = await traces()
  })
  afterEach(async () => {
    await eventually(traces, (after) => after.files === before.files)
    expect(await traces()).toEqual(before)
  })

  async function traces() {
    const objects = (await objectKeys(server)).length
    return { objects, jobs: await countRows(server, 'jobs'), files: storedFiles(server).length }
  }

  async function refused(response: Response, status: number, code: string) {
    const problem = await problemOf(response)
    expect(problem).toMatchObject({ status, code })
    return problem
  }

  test('[P6] unknown and malformed fields are 400 with a pointer each', async () => {
    const form = formOf({ speed: '2', language: 'English', timestamps_granularity: 'phoneme' })
    const { errors } = await refused(await submit(server, form), 400, 'invalid_request')
    expect(errors?.map((error) => error.pointer).sort()).toEqual([
      '/language',
      '/speed',
      '/timestamps_granularity',
    ])
  })

  test.each([['__proto__'], ['constructor'], ['status'], ['tenant_id']])(
    '[P6] the field %s is unknown like any other',
    async (name) => {
      const { errors } = await refused(await postParts(fileOf(), { name, body: 'x' }), 400, 'invalid_request')
      expect(errors).toEqual([{ pointer: `/${name}`, detail: expect.any(String) }])
    },
  )

  test('[P7] an unknown model is model_not_found and names the known ones', async () => {
    const problem = await refused(
      await submit(server, formOf({ model: 'whisper-9' })),
      422,
      'model_not_found',
    )
    expect(problem.detail).toContain('embedded-en')
  })

  test('[P8] the OpenAI shape is answered 501, never in another shape', async () => {
    const fields = [
      { model: 'whisper-1' },
      { response_format: 'json' },
      { stream: 'true' },
      { 'timestamp_granularities[]': 'word' },
    ]
    for (const field of fields) await refused(await submit(server, formOf(field)), 501, 'not_implemented')
    for (const method of ['GET', 'POST']) {
      const path = '/openai/v1/audio/transcriptions'
      await refused(await call(server, path, { method }), 501, 'not_implemented')
    }
  })

  test.each([
    ['no boundary', () => post(formBytes([fileOf()]), 'multipart/form-data'), 400],
    ['another boundary', () => post(formBytes([fileOf()]), 'multipart/form-data; boundary=x'), 400],
    ['a body that is cut off', () => post(formBytes([fileOf()]).slice(0, -20)), 400],
    ['a body that ends after a boundary', () => post(formBytes([fileOf()], '\r\n')), 400],
    ['no body at all', () => post(new Uint8Array(0)), 400],
    ['two files', () => postParts(fileOf(), fileOf()), 400],
    ['a file under another name', () => postParts({ name: 'audio', fileName: 'a.wav', body: 'x' }), 400],
    [
      'a field twice',
      () => postParts(fileOf(), { name: 'name', body: 'a' }, { name: 'name', body: 'b' }),
      400,
    ],
    ['a huge field', () => postParts(fileOf(), { name: 'name', body: 'x'.repeat(20_000) }), 413],
    [
      'too many parts',
      () => postParts(...Array.from({ length: 101 }, (_, n) => ({ name: `f${n}`, body: '' }))),
      413,
    ],
    [
      'a head without a name',
      () => post(Buffer.from(`--${BOUNDARY}\r\nX: y\r\n\r\nx\r\n--${BOUNDARY}--`)),
      400,
    ],
    ['an endless head', () => post(Buffer.from(`--${BOUNDARY}\r\n${'x'.repeat(20_000)}`)), 400],
    ['zero parts', () => post(Buffer.from(`--${BOUNDARY}--\r\n`)), 400],
    ['fields only', () => postParts({ name: 'language', body: 'en' }), 400],
    ['text', () => post(Buffer.from('hello'), 'text/plain'), 415],
    ['no content type', () => post(Buffer.from('hello'), null), 415],
    ['JSON that is none', () => post(Buffer.from('{'), 'application/json'), 400],
    ['JSON null', () => post(Buffer.from('null'), 'application/json'), 400],
    ['JSON without audio', () => post(Buffer.from('{}'), 'application/json'), 400],
    [
      'JSON beyond a megabyte',
      () => post(Buffer.from(`"${'x'.repeat(1_100_000)}"`), 'application/json'),
      413,
    ],
    ['an empty file', () => postParts(fileOf('')), 400],
    [
      'a field after 9 MB of file',
      () => postParts(fileOf(new Uint8Array(9_000_000)), { name: 'speed', body: '2' }),
      400,
    ],
  ])('[P9] %s is a clear 4xx', async (_what, send, status) => {
    const problem = await problemOf(await send())
    expect(problem.status).toBe(status)
    expect(problem.detail).toMatch(/Expected|too large|not valid|empty/)
  })

  test('[P10] a client that vanishes mid-upload leaves no object, no parts and no job', async () => {
    const size = 20 * 1024 * 1024
    const type = `Content-Type: ${MULTIPART}`
    const request = new RawRequest(server, postHead(server, TRANSCRIPTIONS, type, `Content-Length: ${size}`))
    const bytes = formBytes([fileOf(new Uint8Array(size))])
    // Beyond the first part of 8 MiB, so that a multipart upload has begun in R2.
    await request.send(bytes.subarray(0, 12 * 1024 * 1024))
    await eventually(
      async () => storedFiles(server).length,
      (count) => count > before.files,
    )
    request.vanish()
  })

  test('[P11] a request that asks for what no engine does says which, why, and what would help', async () => {
    const german = await refused(await submit(server, formOf({ language: 'de' })), 422, 'no_capable_engine')
    expect(german).toMatchObject({ stage: 'transcribe', requirements: { language: 'de' } })
    expect(german.running_engines).toContainEqual({
      engine_id: 'ctc',
      agent_id: agent.joined.agent_id,
      reason: expect.stringContaining("'de' not supported"),
    })
    const unserved = [
      ['diarize', { speaker_detection: 'diarize' }],
      ['pii_detect', { pii_detection: 'true' }],
    ] as const
    for (const [stage, fields] of unserved) {
      const problem = await refused(await submit(server, formOf(fields)), 422, 'no_capable_engine')
      expect(problem.stage).toBe(stage)
    }
  })

  test('[P11] a file of several parts goes too when no engine fits', async () => {
    const form = formOf({ language: 'de' }, new Uint8Array(9_000_000))
    await refused(await submit(server, form), 422, 'no_capable_engine')
  })

  test('[P12] a job that cannot be written to D1 is refused as unavailable, and never runs', async () => {
    await server.env.DB.exec('ALTER TABLE jobs RENAME TO jobs_away')
    try {
      await refused(await submit(server, formOf()), 503, 'unavailable')
    } finally {
      await server.env.DB.exec('ALTER TABLE jobs_away RENAME TO jobs')
    }
    // What its object still has to write is the end of the job, not the job.
    await eventually(
      () => server.env.DB.prepare('SELECT status FROM jobs ORDER BY id DESC').first<{ status: string }>(),
      (row) => row?.status === 'cancelled',
    )
    await server.env.DB.exec("DELETE FROM jobs WHERE status = 'cancelled'")
  })
})

describe('without an agent', () => {
  test('[P13] in a pool without agents the answer says so, with the command that helps', async () => {
    const problem = await problemOf(await submit(server, formOf({ pool: 'empty' })))
    expect(problem).toMatchObject({ status: 422, code: 'no_capable_engine', running_engines: [] })
    expect(problem.detail).toContain('dalston agent')
    expect(problem.catalog_alternatives).toContainEqual(
      expect.objectContaining({ engine_id: 'prepare', command: expect.stringContaining('dalston agent') }),
    )
  })

  test('[P14] an agent that left a moment ago still counts: a restart is not an outage', async () => {
    const joined = (await ScriptedAgent.connect(server)).joined
    const back = await ScriptedAgent.connect(server, { joined })
    await back.leave()
    expect((await submitted(server)).status).toBe('pending')
  })

  test('[P15] `auto` becomes the model that was found, and real models go before the embedded one', async () => {
    const real = { ...aModel(), id: 'real-en', runtime_model_id: 'real-en', embedded: false, loaded: false }
    const engines = [anEngine('prepare'), anEngine('ctc', { models: [aModel(), real] as never })]
    const joined = await joinAgent(server, 'box', 'better')
    const box = await ScriptedAgent.connect(server, { joined, engines })
    const { id } = await submitted(server, { pool: 'better' })
    await box.run(id, 'prepare')
    expect(await box.about('task.offer', `${id}.transcribe`)).toMatchObject({ model_id: 'real-en' })
    await box.leave()
  })
})
