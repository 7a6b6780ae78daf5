import { afterEach, beforeEach, expect, test } from 'vitest'
import { Dalston } from '#client/dalston.ts'
import { DalstonProblem, DalstonUnreachable, DalstonUnreadable } from '#client/errors.ts'
import { retryDelayMs } from '#client/retry.ts'
import { missingParts } from '#client/upload.ts'
import type { UploadView } from '#protocol/api.ts'
import { UploadId } from '#protocol/ids.ts'
import { CreateJobFields } from '#protocol/submit.ts'
import { AT, aDocument, aFinishedJob, aJob, JOB_ID } from './kit/jobs.ts'
import { cut, json, problem, type ScriptedServer, scriptedServer, text } from './kit/scripted-server.ts'

const retry = { attempts: 3, baseMs: 1, capMs: 2 }
const UPLOAD = UploadId.parse('upload_01jd0000000000000000000000')
const CREATED = { id: JOB_ID, status: 'pending', name: 'a.wav', created_at: AT, stages: [] }
let server: ScriptedServer
beforeEach(async () => {
  server = await scriptedServer()
})
afterEach(() => server[Symbol.asyncDispose]())
const client = () => new Dalston({ server: server.address, apiKey: 'dk_test', retry, patientRetry: retry })

test('[CL9] submit is one multipart request with the file, its name and the fields, under the key', async () => {
  server.on('POST /v1/audio/transcriptions', json(CREATED, 201))
  const job = await client().submit(new Blob(['RIFF']), 'a.wav', {
    fields: {
      language: 'en',
      model: undefined,
      num_speakers: 2,
      refine: true,
      pii_entity_types: ['email'],
      pipeline: { stages: { diarize: { required: true } } },
    },
  })
  expect(job.id).toBe(JOB_ID)
  const [request] = server.requests
  expect(request?.headers.authorization).toBe('Bearer dk_test')
  const form = await new Response(request?.body, {
    headers: { 'content-type': request?.headers['content-type'] ?? '' },
  }).formData()
  const { file: _file, ...fields } = Object.fromEntries(form)
  expect(fields).toEqual({
    language: 'en',
    num_speakers: '2',
    refine: 'true',
    pii_entity_types: '["email"]',
    pipeline: '{"stages":{"diarize":{"required":true}}}',
  })
  expect(CreateJobFields.parse(fields)).toMatchObject({ num_speakers: 2, refine: true })
  expect(form.get('file')).toMatchObject({ name: 'a.wav', size: 4 })
})

test('[CL10] submit is not tried again: that could make two jobs', async () => {
  server.on('POST /v1/audio/transcriptions', cut, json(CREATED, 201))
  await expect(client().submit(new Blob(['x']), 'a.wav')).rejects.toThrow(DalstonUnreachable)
  expect(server.requests).toHaveLength(1)
})

test('[CL10] a GET is tried again after a cut connection and a 503, at most as often as the policy says', async () => {
  server.on(
    `GET /v1/audio/transcriptions/${JOB_ID}`,
    cut,
    problem('unavailable', 503, 'restarting'),
    json(aDocument(aJob(), null)),
  )
  expect((await client().get(JOB_ID)).status).toBe('running')
  server.on('GET /v1/engines', problem('unavailable', 503, 'restarting'))
  await expect(client().engines()).rejects.toMatchObject({
    code: 'unavailable',
    status: 503,
    requestId: 'req_1',
  })
  expect(server.requests).toHaveLength(3 + retry.attempts)
})

test('[CL11] a problem keeps code, fields and request id; its message is the sentence', async () => {
  const errors = [{ pointer: '/language', detail: 'expected an ISO 639 language code' }]
  server.on(
    'POST /v1/audio/transcriptions',
    problem('invalid_request', 400, 'a field is not valid', { errors }),
  )
  const error = await client()
    .submit(new Blob(['x']), 'a')
    .catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(DalstonProblem)
  expect(error).toMatchObject({
    code: 'invalid_request',
    errors,
    message: 'a field is not valid; /language: expected an ISO 639 language code',
  })
})

test('[CL11] no server: the error names the address and the reason', async () => {
  const { address } = server
  await server[Symbol.asyncDispose]()
  const error = await new Dalston({ server: address, retry }).engines().catch((reason: unknown) => reason)
  expect(String(error)).toContain(`no answer from a Dalston server at ${address}: connect ECONNREFUSED`)
})

test('[CL11] something else that listens there is not taken for a server', async () => {
  server.on('GET /v1/engines', text('<html>router</html>'))
  await expect(client().engines()).rejects.toThrow(DalstonUnreadable)
  server.on('GET /health', text('welcome to nginx', 404))
  await expect(client().health()).rejects.toThrow(DalstonUnreadable)
  expect(() => new Dalston({ server: 'localhost:8787' })).toThrow("expected the server's address such as")
})

test('[CL12] list walks the pages by cursor', async () => {
  const { id, status, name, model, language, created_at, started_at, completed_at, audio_duration_seconds } =
    aFinishedJob()
  const row = {
    id,
    status,
    name,
    model,
    language,
    created_at,
    started_at,
    completed_at,
    audio_duration_seconds,
    word_count: 2,
    error: null,
  }
  server.on(
    'GET /v1/audio/transcriptions?limit=1&status=completed',
    json({ jobs: [row], cursor: 'c2', has_more: true }),
  )
  server.on(
    'GET /v1/audio/transcriptions?limit=1&status=completed&cursor=c2',
    json({ jobs: [row], cursor: null, has_more: false }),
  )
  const rows = []
  for await (const job of client().list({ status: 'completed', pageSize: 1 })) rows.push(job.id)
  expect(rows).toEqual([JOB_ID, JOB_ID])
})

const anUpload = (received: number[], completed = false): UploadView => ({
  id: UPLOAD,
  file_name: 'long.wav',
  size_bytes: 25,
  part_size_bytes: 10,
  part_count: 3,
  received_parts: received,
  completed,
})
const PART = (n: number) => `PUT /v1/uploads/${UPLOAD}/parts/${n}`
const COMPLETE = `POST /v1/uploads/${UPLOAD}/complete`
const bytes = new Blob(['0123456789abcdefghijABCDE'])

test('[CL13] a large recording goes in equal parts, and the job names the upload', async () => {
  server.on('POST /v1/uploads', json(anUpload([]), 201))
  for (const n of [1, 2, 3]) server.on(PART(n), text('', 204))
  server.on(COMPLETE, json(anUpload([1, 2, 3], true)))
  server.on('POST /v1/audio/transcriptions', json(CREATED, 201))
  const progress: number[] = []
  await client().submit(bytes, 'long.wav', {
    singleRequestBytes: 20,
    onProgress: (_, received) => progress.push(received),
  })
  const parts = server.requests
    .filter((request) => request.method === 'PUT')
    .map((request) => request.body.toString())
  expect(parts).toEqual(['0123456789', 'abcdefghij', 'ABCDE'])
  expect(progress).toEqual([0, 10, 20, 25])
  expect(server.requests.at(-1)?.body.toString()).toContain(UPLOAD)
})

test('[CL14] a part that broke is sent again, the others are not', async () => {
  server.on('POST /v1/uploads', json(anUpload([]), 201))
  server.on(PART(1), text('', 204))
  server.on(PART(2), cut, problem('unavailable', 503, 'busy'), text('', 204))
  server.on(PART(3), text('', 204))
  server.on(COMPLETE, json(anUpload([1, 2, 3], true)))
  await client().upload(bytes, 'long.wav')
  const puts = server.requests
    .filter((request) => request.method === 'PUT')
    .map((request) => Number(request.path.at(-1)))
  expect(puts).toEqual([1, 2, 2, 2, 3])
})

test('[CL14] resuming sends only what is missing; a file of another size is refused before any byte', async () => {
  server.on(`GET /v1/uploads/${UPLOAD}`, json(anUpload([1, 3])))
  server.on(PART(2), text('', 204))
  server.on(COMPLETE, json(anUpload([1, 2, 3], true)))
  await client().upload(bytes, 'long.wav', { resume: UPLOAD })
  expect(server.requests.map((request) => `${request.method} ${request.path}`)).toEqual([
    `GET /v1/uploads/${UPLOAD}`,
    PART(2),
    COMPLETE,
  ])
  await expect(client().upload(new Blob(['short']), 'long.wav', { resume: UPLOAD })).rejects.toThrow(
    'is for 25 bytes, the file has 5',
  )
})

test('[CL14] a finished upload has nothing missing', () => {
  expect(missingParts(anUpload([2]))).toEqual([1, 3])
  expect(missingParts(anUpload([], true))).toEqual([])
})

test('[CL15] waits have full jitter under a doubling, capped ceiling', () => {
  const policy = { attempts: 10, baseMs: 100, capMs: 1000 }
  expect([1, 2, 3, 9].map((attempt) => retryDelayMs(policy, attempt, 0.999))).toEqual([199, 399, 799, 999])
  expect(retryDelayMs(policy, 5, 0)).toBe(0)
})
