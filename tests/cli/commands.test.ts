import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { COMMANDS } from '#cli/commands.ts'
import { keyPrefix } from '#protocol/key.ts'
import {
  AT,
  aDocument,
  aFinishedJob,
  aJob,
  aStage,
  completed,
  JOB_ID,
  snapshot,
} from '#tests/client/kit/jobs.ts'
import { json, sse, stream, text } from '#tests/client/kit/scripted-server.ts'
import { server, terminal } from './kit/served.ts'

const JOB = `/v1/audio/transcriptions/${JOB_ID}`

test.each([
  [['nope'], 'no such command: nope'],
  [['transcribe'], 'FILE is missing'],
  [['transcribe', 'a', '-f', 'doc'], '--format: expected txt, srt, vtt, json, got doc'],
  [['transcribe', 'a', '--timeout', '1.5'], '--timeout: expected a whole number from 1 to'],
  [['transcribe', 'a', '--fast'], "Unknown option '--fast'"],
  [['transcribe', 'a', 'b'], 'several files need -o DIR'],
  [['transcribe', 'a', '--priority', 'urgent'], '--priority: Invalid option: expected one of "high"'],
  [
    ['transcribe', 'a', '--num-speakers', '40'],
    '--num-speakers: Too big: expected number to be <=32, got 40',
  ],
  [['transcribe', 'a', '--pipeline', '{x'], '--pipeline: expected JSON, got {x'],
  [['transcribe', 'a', '--pipeline', '{"stages":{"align":{"x":1}}}'], '--pipeline: stages.align: '],
  [['jobs'], 'jobs: expected ls, get, follow, cancel, rerun or trace, got nothing'],
  [['jobs', 'get'], 'ID is missing'],
  [['jobs', 'ls', 'x'], 'unexpected argument: x'],
  [['jobs', 'ls', '--status', 'lost'], '--status: expected pending, running'],
  [
    ['models', 'eat'],
    'models: expected ls, show, ps, pull, rm, pin, unpin, prefetch, cancel, add, import, got eat',
  ],
  [['models', 'pull'], 'ID is missing'],
  [['models', 'pull', 'x', '--keep-alive', '1'], '--keep-alive goes with prefetch'],
  [['keys'], 'keys: expected new, got nothing'],
  [['agents', 'token', '--pool', 'A B'], '--pool: expected a pool name, got A B'],
  [['serve', '--port', '99999'], '--port: expected a whole number from 0 to 65535, got 99999'],
  [['demo', 'x'], 'unexpected argument: x'],
])(
  '[CLI9] %j is a usage error: exit 2, the sentence on stderr, nothing on stdout',
  async (parameters, sentence) => {
    expect(await terminal.dalston(...parameters)).toBe(2)
    expect(terminal.err).toContain(sentence)
    expect(terminal.err).toContain('see `dalston help')
    expect(terminal.out).toBe('')
  },
)

test.each(Object.keys(COMMANDS))('[CLI10] %s --help prints its usage on stdout and exits 0', async (name) => {
  expect(await terminal.dalston(name, '--help')).toBe(0)
  expect(terminal.out).toMatch(new RegExp(`^usage: dalston ${name}`))
})

test('[CLI11] lists are tables, or one JSON value', async () => {
  const { id, status, name, model, language, created_at, started_at, completed_at, audio_duration_seconds } =
    aFinishedJob()
  const row = {
    id,
    status,
    name: `a\x1b[2Jb`,
    model,
    language,
    created_at,
    started_at,
    completed_at,
    audio_duration_seconds,
    word_count: 2,
    error: null,
  }
  server.on('GET /v1/audio/transcriptions', json({ jobs: [{ ...row }], cursor: null, has_more: false }))
  server.on('GET /v1/engines', json({ engines: [] }))
  expect(name).toBe('call.wav')
  expect(await terminal.dalston('jobs', 'ls')).toBe(0)
  expect(terminal.out).toMatch(
    /^ID .*STATUS .*\njob_01jd0+ {2}completed {2}2026-11-20 \d\d:\d\d {2}1:03 {3}2 {5,}a \[2Jb\n$/,
  )
  terminal.out = ''
  expect(await terminal.dalston('jobs', 'ls', '--json')).toBe(0)
  expect(JSON.parse(terminal.out)).toEqual([row])
  terminal.out = ''
  expect(await terminal.dalston('engines')).toBe(0)
  expect(terminal.out).toContain('no engine runs')
})

test('[CLI12] jobs get, follow and cancel', async () => {
  server.on(`GET ${JOB}`, json(aDocument(aFinishedJob(), 'good morning')))
  server.on(`GET ${JOB}/export/vtt`, text('WEBVTT\n'))
  server.on(`GET ${JOB}/export/txt`, text('good morning\n'))
  server.on(`GET ${JOB}/events`, stream([sse(snapshot(aJob()), 1), sse(completed(), 2)]))
  server.on(`POST ${JOB}/cancel`, json(aJob({ status: 'cancelled' })))
  expect(await terminal.dalston('jobs', 'get', JOB_ID)).toBe(0)
  expect(terminal.out).toContain('completed')
  terminal.out = ''
  expect(await terminal.dalston('jobs', 'get', JOB_ID, '-f', 'vtt')).toBe(0)
  expect(await terminal.dalston('jobs', 'follow', JOB_ID)).toBe(0)
  expect(await terminal.dalston('jobs', 'cancel', JOB_ID)).toBe(0)
  expect(terminal.out).toBe(`WEBVTT\ngood morning\n${JOB_ID} cancelled\n`)
})

test('[CLI23] jobs rerun prints the new job; what should be otherwise goes with it', async () => {
  const created = {
    id: JOB_ID,
    status: 'pending',
    name: null,
    created_at: '2026-11-20T00:00:00Z',
    stages: [],
  }
  server.on(`POST ${JOB}/rerun`, json(created, 201))
  const flags = ['--from', 'diarize', '--num-speakers', '2', '--refine', '--priority', 'high']
  expect(await terminal.dalston('jobs', 'rerun', JOB_ID, ...flags)).toBe(0)
  expect(terminal.out).toBe(`${JOB_ID}\n`)
  expect(JSON.parse(String(server.requests.at(-1)?.body))).toEqual({
    from_stage: 'diarize',
    num_speakers: 2,
    refine: true,
    priority: 'high',
  })
  expect(await terminal.dalston('jobs', 'rerun', JOB_ID)).toBe(2)
  expect(terminal.err).toContain('--from STAGE is missing')
})

test('[CLI24] jobs trace is a line an attempt, with where its time went', async () => {
  const attempt = {
    task_id: `${JOB_ID}.transcribe`,
    stage: 'transcribe',
    channel: null,
    fence: 2,
    engine_id: 'ctc',
    model_id: 'embedded-en',
    agent_id: null,
    why: 'box-1: it is free',
    queued_at: '2026-11-20T00:00:00Z',
    started_at: null,
    ended_at: null,
    outcome: 'completed',
    error: null,
    queue_ms: 1500,
    transfer_ms: 20,
    swap_ms: 0,
    load_ms: 300,
    run_ms: 65_000,
  }
  const job = { job_id: JOB_ID, trace_id: 'a'.repeat(32), status: 'completed', created_at: attempt.queued_at }
  server.on(`GET ${JOB}/trace`, json({ ...job, started_at: null, completed_at: null, attempts: [attempt] }))
  expect(await terminal.dalston('jobs', 'trace', JOB_ID)).toBe(0)
  expect(terminal.out).toMatch(
    /transcribe +2 +completed +1\.5 s +0\.0 s +0\.0 s +0\.3 s +1:05 +ctc embedded-en +box-1: it is free/,
  )
})

test('[CLI22] jobs get shows channels, engines, reasons, and what was left out', async () => {
  const stages = [
    aStage('prepare', { status: 'completed', engine_id: 'prepare', why: 'holds the upload' }),
    aStage('transcribe', { channel: 0, status: 'running', engine_id: 'ctc' }),
    aStage('transcribe', { channel: 1, status: 'ready', why: 'all slots are busy' }),
    aStage('diarize', { status: 'skipped' }),
  ]
  const skipped = { status: 'skipped', fallback: 'single_speaker', timestamp: AT } as const
  const warning = { stage: 'diarize', code: 'stage_skipped', message: 'it failed twice', ...skipped }
  const job = aJob({ stages, priority: 'high', pipeline_warnings: [warning] })
  server.on(`GET ${JOB}`, json(aDocument(job, null)))
  expect(await terminal.dalston('jobs', 'get', JOB_ID)).toBe(0)
  for (const line of [
    /^priority +high$/m,
    /^prepare +completed, prepare, holds the upload$/m,
    /^transcribe 0 +running, ctc$/m,
    /^transcribe 1 +ready, all slots are busy$/m,
    /^diarize +skipped$/m,
    /^warning +diarize skipped: it failed twice \(instead: single speaker\)$/m,
  ])
    expect(terminal.out).toMatch(line)
})

test('[CLI13] agents token prints exactly the line to paste', async () => {
  server.on(
    'POST /v1/agents/tokens',
    json({ id: `token_${'0'.repeat(26)}`, token: 'dj_abc', pool: 'default', expires_at: AT }, 201),
  )
  expect(await terminal.dalston('agents', 'token', '--expires-in', '60')).toBe(0)
  expect(terminal.out).toBe(`npx dalston agent --server ${server.address} --token dj_abc\n`)
  expect(terminal.err).toContain('127.0.0.1 is this machine only')
  expect(JSON.parse(server.requests[0]?.body.toString() ?? '')).toEqual({ expires_in_seconds: 60 })
})

test('[CLI14] the real process: usage error, then Ctrl-C during a job ends with 130 and the hint', async () => {
  server.on(
    'POST /v1/audio/transcriptions',
    json({ id: JOB_ID, status: 'pending', name: 'a.wav', created_at: AT, stages: [] }, 201),
  )
  server.on(`GET ${JOB}/events`, stream([sse(snapshot(aJob()), 1)], 'open'))
  const shim = fileURLToPath(new URL('../../cli/dalston.mjs', import.meta.url))
  const environment = {
    ...process.env,
    DALSTON_SERVER: server.address,
    DALSTON_API_KEY: 'dk_test',
    DALSTON_DATA: terminal.file('data'),
  }
  const start = (...parameters: string[]) =>
    spawn(process.execPath, [shim, ...parameters], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })

  expect(await once(start('transcribe'), 'exit')).toEqual([2, null])
  const call = start('transcribe', terminal.write('a.wav'))
  let err = ''
  call.stderr.on('data', (chunk: Buffer) => {
    if (err === '') call.kill('SIGTERM')
    err += chunk
  })
  expect(await once(call, 'exit')).toEqual([130, null])
  expect(err).toContain(`dalston jobs follow ${JOB_ID}`)
})

test('[CLI20] `keys new` prints an API key that a server takes as ADMIN_KEY, another each time', async () => {
  expect(await terminal.dalston('keys', 'new')).toBe(0)
  expect(await terminal.dalston('keys', 'new')).toBe(0)
  const [first = '', second = ''] = terminal.out.trim().split('\n')
  expect([keyPrefix(first), keyPrefix(second)]).toEqual(['dk', 'dk'])
  expect(first).not.toBe(second)
})
