import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JobId } from '#protocol/ids.ts'
import { ScriptedAgent } from './kit/agent.ts'
import { call, problemOf, readJob, submitted, TRANSCRIPTIONS } from './kit/api.ts'
import { EventReader, eventText } from './kit/events.ts'
import { eventually } from './kit/eventually.ts'
import { line } from './kit/outcomes.ts'
import { type Server, startServer } from './kit/server.ts'

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

const TWO_LINES = `${line(0, 0, 'hello world')}${line(1, 3, 'a "quote" & <tag>')}`

function jobPath(id: string, rest = ''): string {
  return `${TRANSCRIPTIONS}/${id}${rest}`
}

function cancel(id: string): Promise<Response> {
  return call(server, jobPath(id, '/cancel'), { method: 'POST' })
}

describe('events', () => {
  test('[P40] the snapshot comes first, then every transition with the next id, then the stream ends', async () => {
    const { id } = await submitted(server)
    const reader = await EventReader.open(server, id)
    expect(reader.response.headers.get('content-type')).toBe('text/event-stream')
    expect(reader.response.headers.get('cache-control')).toBe('no-store, no-transform')
    await reader.next('snapshot')
    await agent.run(id, 'prepare')
    await agent.run(id, 'transcribe', TWO_LINES)
    await reader.ended
    expect(reader.types[0]).toBe('snapshot')
    expect(reader.types.at(-1)).toBe('job.completed')
    const from = reader.ids[0] ?? 0
    expect(reader.ids).toEqual(reader.ids.map((_, index) => from + index))
    for (const { id, event } of reader.inbox.all) {
      expect(id === null).toBe(event.type === 'task.progress' || event.type === 'transcript.partial')
    }

    // Last-Event-ID resumes exactly, wherever the stream was cut.
    const all = reader.inbox.all.filter((received) => received.id !== null)
    for (const cut of reader.ids.slice(0, -1)) {
      const resumed = await EventReader.open(server, id, cut)
      await resumed.ended
      expect(resumed.inbox.all.map((received) => [received.id, received.event.type])).toEqual(
        all
          .filter((received) => (received.id ?? 0) > cut)
          .map((received) => [received.id, received.event.type]),
      )
    }
    const last = reader.ids.at(-1)
    expect((await EventReader.open(server, id, last)).response.status).toBe(204)
    expect(await eventText(server, id)).toMatch(/^retry: 2000\n\nid: \d+\nevent: snapshot\n/)
    const ahead = await EventReader.open(server, id, 99_999)
    await ahead.ended
    expect(ahead.types).toEqual(['snapshot'])
  })

  test('[P41] progress and partial text follow each connect at once, resumed or not', async () => {
    const { id } = await submitted(server)
    await agent.run(id, 'prepare')
    const grant = await agent.accept(id, 'transcribe')
    agent.start(grant)
    agent.progress(grant, 30, 'hello wor')
    const seen = await eventually(
      () => readJob(server, id),
      (job) => job.stages[1]?.progress?.percent === 30,
    )
    expect(seen.progress.overall).toBeGreaterThan(0)
    const fresh = await EventReader.open(server, id)
    const { id: seq } = await fresh.next('snapshot')
    const resumed = await EventReader.open(server, id, seq ?? 0)
    for (const reader of [fresh, resumed]) {
      expect(await reader.next('task.progress')).toMatchObject({ id: null, event: { task: { percent: 30 } } })
      expect(await reader.next('transcript.partial')).toMatchObject({
        id: null,
        event: { partial: { text: 'hello wor' } },
      })
    }
    expect(resumed.types).not.toContain('snapshot')
    await Promise.all([fresh.leave(), resumed.leave()])
    await cancel(id)
  })

  test('[P42] a reader that goes is noticed at the next event, and the others go on', async () => {
    const { id } = await submitted(server)
    const grant = await agent.accept(id, 'prepare')
    agent.start(grant)
    const readers = await Promise.all([1, 2, 3].map(() => EventReader.open(server, id)))
    await Promise.all(readers.map((reader) => reader.next('snapshot')))
    const job = server.env.JOB.getByName(id)
    expect(await job.followers()).toBe(3)
    await Promise.all(readers.slice(1).map((reader) => reader.leave()))
    let percent = 0
    await eventually(
      () => {
        agent.progress(grant, Math.min(++percent, 100))
        return job.followers()
      },
      (count) => count === 1,
    )
    await cancel(id)
    await readers[0]?.ended
    expect(readers[0]?.types.at(-1)).toBe('job.cancelled')
    expect(await job.followers()).toBe(0)
  })
})

describe('exports', () => {
  let id: JobId
  beforeAll(async () => {
    id = (await submitted(server)).id
    await agent.run(id, 'prepare')
    await agent.run(id, 'transcribe', TWO_LINES)
    await eventually(
      () => readJob(server, id),
      (job) => job.status === 'completed',
    )
  })

  test('[P44] every format, as a file to keep', async () => {
    const get = async (format: string) => {
      const response = await call(server, jobPath(id, `/export/${format}`))
      expect(response.headers.get('content-disposition')).toBe(`attachment; filename="${id}.${format}"`)
      return { type: response.headers.get('content-type'), text: await response.text() }
    }
    expect(await get('txt')).toEqual({
      type: 'text/plain; charset=utf-8',
      text: 'hello world\na "quote" & <tag>\n',
    })
    expect((await get('srt')).text).toBe(
      '1\n00:00:00,000 --> 00:00:02,000\nhello world\n\n2\n00:00:03,000 --> 00:00:07,000\na "quote" & <tag>\n\n',
    )
    const vtt = (await get('vtt')).text
    expect(vtt).toMatch(/^WEBVTT\n\n00:00:00\.000 --> 00:00:02\.000\nhello world\n/)
    expect(vtt).toContain('a "quote" &amp; &lt;tag&gt;')
    expect(JSON.parse((await get('json')).text)).toEqual(await readJob(server, id))
  })

  test('[P45] line length and lines a cue can be chosen, within bounds', async () => {
    const short = await (await call(server, jobPath(id, '/export/srt?max_line_length=10&max_lines=1'))).text()
    const lines = short.split('\n').filter((text) => /[a-z]/.test(text))
    expect(lines).toEqual(['hello', 'world', 'a "quote"', '& <tag>'])
    for (const query of ['max_line_length=9', 'max_lines=0', 'max_lines=x', 'font=big']) {
      expect((await problemOf(await call(server, jobPath(id, `/export/srt?${query}`)))).status).toBe(400)
    }
  })

  test('[P46] an unknown format is 404, a job that has not completed 409', async () => {
    expect((await problemOf(await call(server, jobPath(id, '/export/docx')))).status).toBe(404)
    const running = await submitted(server)
    expect((await problemOf(await call(server, jobPath(running.id, '/export/txt')))).status).toBe(409)
    await cancel(running.id)
  })
})
