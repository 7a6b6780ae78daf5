import { createParser } from 'eventsource-parser'
import { expect, test } from 'vitest'
import type { JobEvent } from '#protocol/events.ts'
import { aVisitor, ORIGIN, type Visitor } from './kit/browser-like.ts'
import { aCompletedJob, aJob, aJobId, aStage, at } from './kit/builders.ts'
import { KEY } from './kit/console.ts'
import { textOf } from './kit/dom.ts'

interface Message {
  readonly event: string | undefined
  readonly id: string | undefined
  readonly data: string
}

/** Opens the page's stream of a job and reads it message by message. */
async function follow(visitor: Visitor, jobId: string, headers: Record<string, string> = {}) {
  const signIn = await visitor.post('/sign-in', { form: { key: KEY } })
  const cookie = signIn.headers.get('set-cookie')?.split(';')[0] ?? ''
  const leave = new AbortController()
  const request = new Request(`${ORIGIN}/ui/jobs/${jobId}/events`, {
    headers: { ...headers, cookie },
    signal: leave.signal,
  })
  const response = await visitor.kit.fetch(request)
  if (response === undefined) throw new Error('no route')
  const messages: Message[] = []
  const parser = createParser({ onEvent: ({ event, id, data }) => void messages.push({ event, id, data }) })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  return {
    response,
    leave: () => leave.abort(),
    /** The next message; null at the end of the stream. */
    async next(): Promise<Message | null> {
      while (messages.length === 0) {
        const piece = await reader?.read()
        if (piece === undefined || piece.done) return null
        parser.feed(piece.value)
      }
      return messages.shift() ?? null
    },
  }
}

function partsOf(message: Message | null): string[] {
  return [...(message?.data ?? '').matchAll(/<hx-partial hx-target="#([\w-]+)"/g)].map(
    (match) => match[1] ?? '',
  )
}

async function aRunningJob() {
  const visitor = await aVisitor()
  const id = aJobId()
  const job = aJob({ id, stages: [aStage(id)] })
  visitor.kit.api.put(job)
  const progress = (percent: number): JobEvent => ({
    type: 'task.progress',
    task_id: aStage(id).task_id,
    stage: 'transcribe',
    task: { percent, message: null },
    progress: { overall: 45, current_stage: 'transcribe', current_stage_progress: percent, eta: null },
  })
  const { text: _text, segments: _segments, words: _words, ...done } = aCompletedJob({ id })
  const { progress: whole, pipeline_warnings } = done
  const completed: JobEvent = {
    type: 'job.completed',
    at: at(0),
    progress: whole,
    pipeline_warnings,
    job: done,
  }
  return { visitor, job, progress, completed }
}

test('[U12] the first message brings every part, later ones only what changed', async () => {
  const { visitor, job, progress } = await aRunningJob()
  const stream = await follow(visitor, job.id)
  expect(partsOf(await stream.next())).toEqual([
    'job-head',
    'job-progress',
    'pipeline',
    'transcript',
    'announcer',
  ])
  visitor.kit.api.emit(job.id, progress(73))
  const second = await stream.next()
  expect(partsOf(second)).toEqual(['job-progress', 'pipeline'])
  expect(textOf(second?.data ?? '')).toContain('73 %')
  stream.leave()
})

test('[U12] partial text arrives as it comes, escaped', async () => {
  const { visitor, job } = await aRunningJob()
  const stream = await follow(visitor, job.id)
  await stream.next()
  const partial = {
    task_id: aStage(job.id).task_id,
    revision: 2,
    start: 0,
    end: 3,
    text: 'one <hx-partial> two\nthree',
  }
  visitor.kit.api.emit(job.id, { type: 'transcript.partial', partial })
  const message = await stream.next()
  expect(partsOf(message)).toContain('transcript')
  expect(message?.data).toContain('one &lt;hx-partial&gt; two\nthree')
  stream.leave()
})

test('[U13] at the end the stream says so and stops', async () => {
  const { visitor, job, completed } = await aRunningJob()
  const stream = await follow(visitor, job.id)
  await stream.next()
  visitor.kit.api.emit(job.id, completed)
  const last = await stream.next()
  expect(last?.id).toBe('end')
  expect(last?.data).toContain(`hx-get="/ui/jobs/${job.id}/transcript"`)
  expect(await stream.next()).toMatchObject({ event: 'end', data: 'completed' })
  expect(await stream.next()).toBeNull()
})

test('[U13] who comes back with everything seen gets 204, without asking the job', async () => {
  const { visitor, job } = await aRunningJob()
  const before = visitor.kit.api.seen.length
  const stream = await follow(visitor, job.id, { 'last-event-id': 'end' })
  expect(stream.response.status).toBe(204)
  expect(visitor.kit.api.seen.slice(before)).toEqual([])
})

test('[U13] a stream that breaks ends without the word, and the next one brings the page up to date', async () => {
  const { visitor, job, progress } = await aRunningJob()
  const first = await follow(visitor, job.id)
  const lastId = (await first.next())?.id ?? ''
  visitor.kit.api.disconnect(job.id)
  expect(await first.next()).toBeNull()
  visitor.kit.api.emit(job.id, progress(88))
  const second = await follow(visitor, job.id, { 'last-event-id': lastId })
  expect(textOf((await second.next())?.data ?? '')).toContain('88 %')
  second.leave()
})

test('[U13] a job that ended meanwhile is told in the first message', async () => {
  const visitor = await aVisitor()
  const job = aCompletedJob()
  visitor.kit.api.put(job)
  const stream = await follow(visitor, job.id)
  expect((await stream.next())?.id).toBe('end')
  expect((await stream.next())?.event).toBe('end')
})

test('[U13] who leaves is forgotten by the job', async () => {
  const { visitor, job } = await aRunningJob()
  const stream = await follow(visitor, job.id)
  await stream.next()
  expect(visitor.kit.api.readersOf(job.id)).toBe(1)
  stream.leave()
  expect(visitor.kit.api.readersOf(job.id)).toBe(0)
})

test('[U12] waiting grows on the page without any event', async () => {
  const { visitor, job } = await aRunningJob()
  visitor.kit.api.put(
    aJob({
      id: job.id,
      created_at: new Date().toISOString(),
      stages: [
        aStage(job.id, {
          ready_at: new Date().toISOString(),
          started_at: null,
          status: 'ready',
          wait_ms: null,
        }),
      ],
    }),
  )
  const stream = await follow(visitor, job.id)
  await stream.next()
  expect(partsOf(await stream.next())).toEqual(['pipeline'])
  stream.leave()
})
