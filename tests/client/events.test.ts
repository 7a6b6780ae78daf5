import { afterEach, beforeEach, expect, test } from 'vitest'
import { Dalston } from '#client/dalston.ts'
import { DalstonProblem, DalstonUnreachable, DalstonUnreadable } from '#client/errors.ts'
import type { StreamedEvent } from '#client/events.ts'
import {
  AT,
  aFinishedJob,
  aJob,
  aStage,
  completed,
  JOB_ID,
  partialEvent,
  progressEvent,
  snapshot,
  stageEvent,
} from './kit/jobs.ts'
import {
  cut,
  problem,
  type ScriptedServer,
  scriptedServer,
  sse,
  stream,
  text,
} from './kit/scripted-server.ts'

const EVENTS = `GET /v1/audio/transcriptions/${JOB_ID}/events`
const patientRetry = { attempts: 4, baseMs: 1, capMs: 2 }
let server: ScriptedServer
beforeEach(async () => {
  server = await scriptedServer()
})
afterEach(() => server[Symbol.asyncDispose]())

const started = stageEvent('task.started', aStage('prepare', { status: 'running' }))
const finished = stageEvent('task.completed', aStage('prepare', { status: 'completed' }))

async function collect(options: { lastEventId?: string; silenceMs?: number; signal?: AbortSignal } = {}) {
  const events: StreamedEvent[] = []
  for await (const event of new Dalston({ server: server.address, patientRetry }).events(JOB_ID, options))
    events.push(event)
  return events
}
const lastIds = () => server.requests.map((request) => request.headers['last-event-id'] ?? null)

test('[CL1] events come in order and the iteration ends at the terminal event, though the stream stays open', async () => {
  server.on(
    EVENTS,
    stream([sse(snapshot(aJob()), 3), sse(progressEvent('prepare', 40)), sse(completed(), 4)], 'open'),
  )
  const events = await collect()
  expect(events.map((event) => [event.event.type, event.id])).toEqual([
    ['snapshot', '3'],
    ['task.progress', null],
    ['job.completed', '4'],
  ])
})

test('[CL2] an end without a terminal event is a disconnect: it goes on after the last id, with no gap and no repeat', async () => {
  server.on(
    EVENTS,
    stream([sse(snapshot(aJob()), 1), sse(started, 2), sse(progressEvent('prepare', 40))], 'end'),
    stream([sse(finished, 3)], 'cut'),
    cut,
    problem('unavailable', 503, 'restarting'),
    stream([sse(completed(), 4)]),
  )
  const events = await collect()
  expect(events.flatMap(({ id }) => (id === null ? [] : [id]))).toEqual(['1', '2', '3', '4'])
  expect(lastIds()).toEqual([null, '2', '3', '3', '3'])
})

test('[CL3] chunks cut anywhere, also inside a character, give the same events', async () => {
  const wire = Buffer.from(
    `: hi\n\nretry: 10\n\n${sse(snapshot(aJob({ name: 'Čakovec ☎' })), 1)}${sse(completed(), 2)}`,
  )
  server.on(EVENTS, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let start = 0; start < wire.length; start += 7) response.write(wire.subarray(start, start + 7))
    response.end()
  })
  const events = await collect()
  expect(events).toEqual([
    { id: '1', event: snapshot(aJob({ name: 'Čakovec ☎' })) },
    { id: '2', event: completed() },
  ])
})

test('[CL3] an event that was cut off in the middle is not delivered', async () => {
  const half = sse(started, 2)
  server.on(
    EVENTS,
    stream([sse(snapshot(aJob()), 1), half.slice(0, -2)]),
    stream([half, sse(completed(), 3)]),
  )
  expect((await collect()).map(({ id }) => id)).toEqual(['1', '2', '3'])
})

test('[CL4] 204 ends the iteration', async () => {
  server.on(EVENTS, text('', 204))
  expect(await collect({ lastEventId: '9' })).toEqual([])
  expect(lastIds()).toEqual(['9'])
})

test('[CL5] comments keep the stream alive and are no events; silence is a disconnect', async () => {
  const beats = stream([sse(snapshot(aJob()), 1), ': keep-alive\n\n', ': keep-alive\n\n'], 'open')
  server.on(EVENTS, beats, stream([sse(completed(), 2)]))
  expect((await collect({ silenceMs: 60 })).map(({ id }) => id)).toEqual(['1', '2'])
})

test('[CL6] a refusal is thrown at once and not tried again', async () => {
  server.on(EVENTS, problem('not_found', 404, 'no such job'))
  await expect(collect()).rejects.toThrow(DalstonProblem)
  expect(server.requests).toHaveLength(1)
})

test('[CL6] a server that stays away is given up after the policy says so, with its address', async () => {
  server.on(EVENTS, cut)
  const error = await collect().catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(DalstonUnreachable)
  expect(String(error)).toContain(server.address)
  expect(server.requests).toHaveLength(patientRetry.attempts)
})

test('[CL6] an event of an unknown shape is an error that names the request, not a hang', async () => {
  server.on(EVENTS, stream([`id: 1\ndata: {"type":"job.teleported"}\n\n`], 'open'))
  await expect(collect()).rejects.toThrow(DalstonUnreadable)
})

test('[CL7] abort ends it with the reason', async () => {
  server.on(EVENTS, stream([sse(snapshot(aJob()), 1)], 'open'))
  const controller = new AbortController()
  const seen: string[] = []
  const walk = (async () => {
    const client = new Dalston({ server: server.address, patientRetry })
    for await (const { event } of client.events(JOB_ID, { signal: controller.signal })) {
      seen.push(event.type)
      controller.abort(new Error('enough'))
    }
  })()
  await expect(walk).rejects.toThrow('enough')
  expect(seen).toEqual(['snapshot'])
})

test('[CL8] follow folds: stages, percent and partial text, up to the end', async () => {
  server.on(
    EVENTS,
    stream([
      sse(snapshot(aJob()), 1),
      sse(stageEvent('task.started', aStage('transcribe', { status: 'running', started_at: AT })), 2),
      sse(progressEvent('transcribe', 62)),
      sse(partialEvent(1, 'good mor')),
      sse(completed(), 3),
    ]),
  )
  const states = []
  for await (const live of new Dalston({ server: server.address, patientRetry }).follow(JOB_ID))
    states.push(live)
  expect(states).toHaveLength(5)
  expect(states[2]?.job.stages[1]?.progress?.percent).toBe(62)
  expect(states[3]?.partial?.text).toBe('good mor')
  expect(states[4]?.job).toEqual(aFinishedJob())
})
