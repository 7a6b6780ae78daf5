import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CreatedJob, JobList } from '#protocol/api.ts'
import type { JobId } from '#protocol/ids.ts'
import { JobView } from '#protocol/job.ts'
import { ScriptedAgent } from './kit/agent.ts'
import { call, callJson, problemOf, readJob, submitted, TRANSCRIPTIONS } from './kit/api.ts'
import { eventually } from './kit/eventually.ts'
import { completed, failed, line } from './kit/outcomes.ts'
import { keyOfTenant, objectKeys, type Server, startServer } from './kit/server.ts'

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

function remove(id: string): Promise<Response> {
  return call(server, jobPath(id), { method: 'DELETE' })
}

async function status(id: string): Promise<string> {
  return (await readJob(server, id)).status
}

/** A job that went all the way. */
async function finished(lines = TWO_LINES, fields: Readonly<Record<string, string>> = {}): Promise<JobId> {
  const { id } = await submitted(server, fields)
  await agent.run(id, 'prepare')
  await agent.run(id, 'transcribe', lines)
  await eventually(
    () => status(id),
    (now) => now === 'completed',
  )
  return id
}

describe('GET', () => {
  test('[P30] polling shows each stage with its engine, times and progress, and in the end the words', async () => {
    const { id } = await submitted(server)
    const prepare = await agent.accept(id, 'prepare')
    agent.start(prepare)
    agent.progress(prepare, 40)
    const running = await eventually(
      () => readJob(server, id),
      (job) => job.stages[0]?.progress?.percent === 40,
    )
    expect(running).toMatchObject({
      status: 'running',
      text: null,
      segments: null,
      words: null,
      result: null,
    })
    expect(running.progress).toMatchObject({ current_stage: 'prepare', current_stage_progress: 40 })
    const artifact = await agent.upload(prepare, 'audio.s16', new Uint8Array(64))
    expect(await agent.result(prepare, completed('prepare', [artifact]))).toBe('accepted')
    const transcribe = await agent.run(id, 'transcribe', TWO_LINES)
    expect(transcribe.inputs).toEqual([artifact])
    expect(transcribe.parameters.audio_seconds).toBe(2)

    const done = await eventually(
      () => readJob(server, id),
      (job) => job.status === 'completed',
    )
    expect(done.stages.map((stage) => [stage.stage, stage.status, stage.engine_id])).toEqual([
      ['prepare', 'completed', 'prepare'],
      ['transcribe', 'completed', 'ctc'],
      ['merge', 'completed', 'edge'],
    ])
    expect(done.progress.overall).toBe(100)
    expect(done.text).toBe('hello world a "quote" & <tag>')
    expect(done.segments?.map((segment) => segment.id)).toEqual([0, 1])
    expect(done.words?.map((word) => word.text)).toEqual(['hello', 'world', 'a', '"quote"', '&', '<tag>'])
    expect(done.result).toMatchObject({ word_count: 6, embedded_model: true, no_speech: false })
  })

  test('[P31] silence is a completed job with no_speech and no text', async () => {
    expect(await readJob(server, await finished(''))).toMatchObject({
      status: 'completed',
      text: '',
      segments: [],
      words: [],
      result: { no_speech: true, word_count: 0 },
    })
  })

  test('[P32] a failure that is not to be retried fails the job with its code and stage', async () => {
    const { id } = await submitted(server)
    const grant = await agent.accept(id, 'prepare')
    agent.start(grant)
    expect(await agent.result(grant, failed('invalid_audio'))).toBe('accepted')
    const job = await readJob(server, id)
    expect(job).toMatchObject({ status: 'failed', error: { code: 'invalid_audio', stage: 'prepare' } })
    expect(job.stages.map((stage) => stage.status)).toEqual(['failed', 'cancelled', 'cancelled'])
  })

  test('[P33] a transcript that cannot be read fails the job instead of being tried for ever', async () => {
    const { id } = await submitted(server)
    await agent.run(id, 'prepare')
    await agent.run(id, 'transcribe', '{"id":0,"text":"secret words"\n')
    const job = await eventually(
      () => readJob(server, id),
      (now) => now.status === 'failed',
    )
    expect(job.error).toMatchObject({ code: 'invalid_artifact', stage: 'merge' })
    expect(job.error?.message).not.toContain('secret')
  })

  test.each([
    ['none', 0, 0],
    ['segment', 2, 0],
    ['word', 2, 6],
  ])('[P34] granularity %s', async (timestamps_granularity, _segments, words) => {
    const job = await readJob(server, await finished(TWO_LINES, { timestamps_granularity }))
    expect(job.words).toHaveLength(words)
    expect(job.result?.granularity_requested).toBe(timestamps_granularity)
  })
})

describe('lists', () => {
  test('[P35] newest first, by cursor, each job once; by status; of this tenant only', async () => {
    const token = await keyOfTenant(server, 'lists')
    const ids: JobId[] = []
    for (let n = 0; n < 5; n++) {
      const form = new FormData()
      form.append('file', new Blob(['x']), `${n}.wav`)
      const created = await call(server, TRANSCRIPTIONS, { method: 'POST', body: form, token })
      ids.unshift(CreatedJob.parse(await created.json()).id)
    }
    const [, , third] = ids
    expect((await call(server, jobPath(String(third), '/cancel'), { method: 'POST', token })).status).toBe(
      200,
    )
    const list = async (query: string) =>
      JobList.parse(await (await call(server, `${TRANSCRIPTIONS}?${query}`, { token })).json())
    const pages = [await list('limit=2')]
    while (pages.at(-1)?.has_more) pages.push(await list(`limit=2&cursor=${pages.at(-1)?.cursor}`))
    expect(pages.map((page) => page.jobs.length)).toEqual([2, 2, 1])
    expect(pages.flatMap((page) => page.jobs.map((job) => job.id))).toEqual(ids)
    expect(pages.at(-1)?.cursor).toBeNull()
    const cancelled = await eventually(
      () => list('status=cancelled'),
      (page) => page.jobs.length > 0,
    )
    expect(cancelled.jobs.map((job) => job.id)).toEqual([third])
    // Their offers are still open: an agent that lets one pass is not asked for a while.
    await Promise.all(ids.map((id) => call(server, jobPath(id, '/cancel'), { method: 'POST', token })))
  })

  test.each([['limit=0'], ['limit=101'], ['limit=x'], ['cursor=yesterday'], ['status=done'], ['sort=name']])(
    '[P36] ?%s is 400',
    async (query) => {
      expect((await problemOf(await call(server, `${TRANSCRIPTIONS}?${query}`))).status).toBe(400)
    },
  )
})

describe('cancel and delete', () => {
  test('[P37] cancel ends a job, tells the agent, refuses its late result, and answers 409 from then on', async () => {
    const { id } = await submitted(server)
    const grant = await agent.accept(id, 'prepare')
    agent.start(grant)
    expect((await problemOf(await remove(id))).status).toBe(409)
    expect(JobView.parse(await (await cancel(id)).json()).status).toBe('cancelled')
    expect(await agent.about('task.cancel', grant.task_id)).toMatchObject({ fence: grant.fence })
    expect((await problemOf(await cancel(id))).status).toBe(409)
    expect(await agent.result(grant, completed('prepare', []))).toBe('stale')
    expect(await status(id)).toBe('cancelled')
  })

  test('[P38] delete empties R2, the object and its alarm, and leaves a tombstone without content', async () => {
    const { id } = await submitted(server, { name: 'private name' })
    const grant = await agent.accept(id, 'prepare')
    agent.start(grant)
    await agent.upload(grant, 'audio.s16', new Uint8Array(64))
    await cancel(id)
    expect((await remove(id)).status).toBe(204)

    expect(await objectKeys(server, `jobs/${id}/`)).toEqual([])
    const storage = await server.worker.getDurableObjectStorage('JOB', { name: id })
    expect(
      await storage.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'"),
    ).toEqual([])
    const row = await server.env.DB.prepare('SELECT * FROM jobs WHERE id = ?').bind(id).first()
    expect(row).toMatchObject({ summary: '{}', deleted_at_ms: expect.any(Number) })
    expect(JSON.stringify(row)).not.toContain('private name')
    for (const rest of ['', '/events', '/export/txt']) {
      expect((await problemOf(await call(server, jobPath(id, rest)))).status).toBe(404)
    }
    expect((await problemOf(await remove(id))).status).toBe(404)
    expect((await problemOf(await cancel(id))).status).toBe(404)
    const { jobs } = JobList.parse(await (await call(server, `${TRANSCRIPTIONS}?limit=100`)).json())
    expect(jobs.map((job) => job.id)).not.toContain(id)

    // The agent's late word: by socket, by HTTP, and to R2.
    expect(await agent.result(grant, completed('prepare', []))).toBe('gone')
    const result = { type: 'task.result', task_id: grant.task_id, fence: grant.fence, outcome: failed('x') }
    const token = agent.joined.credential
    const posted = await callJson(server, '/agent/v1/results', result, { token })
    expect(await posted.json()).toMatchObject({ answer: 'gone' })
    await expect(agent.upload(grant, 'late.s16', new Uint8Array(8))).rejects.toThrow('410')
    expect(await objectKeys(server, `jobs/${id}/`)).toEqual([])
    expect(await storage.exec("SELECT name FROM sqlite_master WHERE name = 'records'")).toEqual([])
  })
})
