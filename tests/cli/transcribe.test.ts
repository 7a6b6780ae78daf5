import { readFileSync } from 'node:fs'
import { beforeEach, expect, test } from 'vitest'
import {
  AT,
  aDocument,
  aFinishedJob,
  aJob,
  completed,
  JOB_ID,
  partialEvent,
  progressEvent,
  RESULT,
  snapshot,
} from '#tests/client/kit/jobs.ts'
import { json, problem, sse, stream, text } from '#tests/client/kit/scripted-server.ts'
import { server, terminal } from './kit/served.ts'
import { Terminal } from './kit/terminal.ts'

const JOB = `/v1/audio/transcriptions/${JOB_ID}`
const CREATED = { id: JOB_ID, status: 'pending', name: 'a.wav', created_at: AT, stages: [] }
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences are what is looked for.
const ESCAPES = /\x1b\[\d*[AJ]/g
beforeEach(() => {
  server.on('POST /v1/audio/transcriptions', json(CREATED, 201))
  server.on(
    `GET ${JOB}/events`,
    stream([
      sse(snapshot(aJob()), 1),
      sse(progressEvent('transcribe', 62)),
      sse(partialEvent(1, 'good mor')),
      sse(completed(), 2),
    ]),
  )
  server.on(`GET ${JOB}/export/txt`, text('good morning'))
  server.on(`GET ${JOB}/export/srt`, text('1\n00:00:00,000 --> 00:00:01,000\ngood morning\n'))
  server.on(`GET ${JOB}`, json(aDocument(aFinishedJob(), 'good morning')))
})

test('[CLI1] the transcript is all of stdout; progress and the remark about the model are on stderr', async () => {
  expect(await terminal.dalston('transcribe', terminal.write('a.wav'))).toBe(0)
  expect(terminal.out).toBe('good morning\n')
  expect(terminal.err).toContain('text: good mor\n')
  expect(terminal.err).toContain('made by the small model that ships with Dalston, for trying the system')
  expect(terminal.err).not.toContain('\x1b')
})

test('[CLI1] no remark when another model made it', async () => {
  const job = aFinishedJob({ result: { ...RESULT, embedded_model: false } })
  server.on(`GET ${JOB}/events`, stream([sse(snapshot(aJob()), 1), sse(completed(job), 2)]))
  expect(await terminal.dalston('transcribe', terminal.write('a.wav'))).toBe(0)
  expect(terminal.err).not.toContain('small model')
})

test('[CLI2] -o writes a file each, named after the recording; names that collide keep their extension', async () => {
  const [a, b, c] = [terminal.write('a.wav'), terminal.write('a.mp3'), terminal.write('b.wav')]
  expect(await terminal.dalston('transcribe', a, b, c, '-f', 'srt', '-o', terminal.file('out'))).toBe(0)
  for (const name of ['a.wav.srt', 'a.mp3.srt', 'b.srt']) {
    expect(readFileSync(terminal.file(`out/${name}`), 'utf8')).toContain('good morning')
  }
  expect(terminal.out).toBe('')
})

test('[CLI3] --json prints the job as one line', async () => {
  expect(await terminal.dalston('transcribe', terminal.write('a.wav'), '--json')).toBe(0)
  expect(JSON.parse(terminal.out)).toMatchObject({ id: JOB_ID, text: 'good morning' })
  expect(terminal.out.trimEnd()).not.toContain('\n')
})

test('[CLI4] --no-wait prints the id and exits 0 once the job is accepted', async () => {
  expect(await terminal.dalston('transcribe', terminal.write('a.wav'), '--no-wait')).toBe(0)
  expect(terminal.out).toBe(`${JOB_ID}\n`)
  expect(server.requests).toHaveLength(1)
})

test('[CLI4] --timeout: exit 8, and how to see the job again', async () => {
  server.on(`GET ${JOB}/events`, stream([sse(snapshot(aJob()), 1)], 'open'))
  expect(await terminal.dalston('transcribe', terminal.write('a.wav'), '--timeout', '1')).toBe(8)
  expect(terminal.err).toContain(`dalston jobs follow ${JOB_ID}`)
})

test.each([
  ['failed', 'job.failed', 5, 'a.wav: failed in prepare: no audio in it (invalid_audio)'],
  ['cancelled', 'job.cancelled', 3, 'a.wav: cancelled'],
] as const)('[CLI5] a job that %s: its own exit code and the reason', async (status, type, code, line) => {
  const job = aJob({ status, error: { code: 'invalid_audio', message: 'no audio in it', stage: 'prepare' } })
  server.on(`GET ${JOB}/events`, stream([sse(snapshot(aJob()), 1), sse({ ...completed(job), type }, 2)]))
  expect(await terminal.dalston('transcribe', terminal.write('a.wav'))).toBe(code)
  expect(terminal.err).toContain(line)
  expect(terminal.out).toBe('')
})

test.each([
  ['unauthorized', 401, 4],
  ['forbidden', 403, 4],
  ['no_capable_engine', 422, 6],
  ['unavailable', 503, 6],
  ['invalid_request', 400, 1],
])('[CLI5] refused with %s: exit %i → %i, with the sentence', async (code, status, exit) => {
  server.on('POST /v1/audio/transcriptions', problem(code, status, 'this is why'))
  expect(await terminal.dalston('transcribe', terminal.write('a.wav'))).toBe(exit)
  expect(terminal.err).toContain('this is why')
})

test('[CLI21] what is asked of a job is sent as its fields, and nothing else', async () => {
  const flags = [
    '--engine-preference',
    'modular',
    '--model-diarize',
    'turns',
    '--speaker-detection',
    'diarize',
  ]
  const more = ['--num-speakers', '2', '--detect-events', '--refine', '--unavailable-behavior', 'wait']
  const pipeline = '{"stages":{"diarize":{"required":true}}}'
  const last = ['--unavailable-wait-seconds', '90', '--priority', 'low', '--pipeline', pipeline, '--no-wait']
  expect(await terminal.dalston('transcribe', terminal.write('a.wav'), ...flags, ...more, ...last)).toBe(0)
  const [request] = server.requests
  const headers = { 'content-type': request?.headers['content-type'] ?? '' }
  const { file: _file, ...fields } = Object.fromEntries(
    await new Response(request?.body, { headers }).formData(),
  )
  expect(fields).toEqual({
    name: 'a.wav',
    engine_preference: 'modular',
    model_diarize: 'turns',
    speaker_detection: 'diarize',
    num_speakers: '2',
    detect_events: 'true',
    refine: 'true',
    unavailable_behavior: 'wait',
    unavailable_wait_seconds: '90',
    priority: 'low',
    pipeline,
  })
})

test('[CLI5] a server that was named and does not answer: exit 6 with its address, and none is started', async () => {
  await server[Symbol.asyncDispose]()
  expect(await terminal.dalston('transcribe', terminal.write('a.wav'))).toBe(6)
  expect(terminal.err).toContain(`no answer from a Dalston server at ${server.address}`)
})

test('[CLI5] of several files one fails: the others are done, the exit code tells', async () => {
  server.on('POST /v1/audio/transcriptions', problem('invalid_audio', 400, 'no audio'), json(CREATED, 201))
  const files = [terminal.write('a.wav'), terminal.write('b.wav')]
  expect(await terminal.dalston('transcribe', ...files, '-o', terminal.file('out'))).toBe(1)
  expect(terminal.err).toContain('a.wav: no audio (invalid_audio, request req_1)')
  expect(readFileSync(terminal.file('out/b.txt'), 'utf8')).toBe('good morning')
})

test('[CLI6] a directory, a missing and an empty file are found before anything is sent', async () => {
  const good = terminal.write('a.wav')
  for (const [path, reason] of [
    [terminal.folder, 'is a directory'],
    [terminal.file('missing.wav'), 'no such file'],
    [terminal.write('empty.wav', ''), 'is empty'],
  ] as const) {
    expect(await terminal.dalston('transcribe', good, path, '--json')).toBe(1)
    expect(terminal.err).toContain(reason)
  }
  expect(server.requests).toEqual([])
})

test('[CLI7] Ctrl-C lets the job go with a hint, and a second one cancels it', async () => {
  server.on(`GET ${JOB}/events`, (request, response) => {
    void stream([sse(snapshot(aJob()), 1)], 'open')(request, response)
    setImmediate(() => terminal.interrupt())
  })
  server.on(`POST ${JOB}/cancel`, json(aJob({ status: 'cancelled' })))
  const call = terminal.dalston('transcribe', terminal.write('a.wav'))
  while (!terminal.err.includes(`dalston jobs follow ${JOB_ID}`))
    await new Promise((resolve) => setImmediate(resolve))
  expect(server.requests.some((request) => request.path.endsWith('/cancel'))).toBe(false)
  terminal.interrupt()
  expect(await call).toBe(3)
  expect(server.requests.at(-1)?.path).toBe(`${JOB}/cancel`)
})

test('[CLI8] on a terminal the block is drawn over in place, and no line is wider than the screen', async () => {
  const wide = new Terminal({ DALSTON_SERVER: server.address, DALSTON_API_KEY: 'dk_test' }, { columns: 40 })
  try {
    expect(await wide.dalston('transcribe', wide.write('a.wav'))).toBe(0)
    expect(wide.err).toContain('\x1b[4A\x1b[J')
    const lines = wide.err.split('\n').map((line) => line.replace(ESCAPES, ''))
    expect(Math.max(...lines.filter((line) => /░|█/.test(line)).map((line) => line.length))).toBeLessThan(40)
  } finally {
    wide.close()
  }
})
