import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { JobDocument } from '#protocol/api.ts'
import type { JobId } from '#protocol/ids.ts'
import { ScriptedAgent } from './kit/agent.ts'
import { call, readJob, submitted, TRANSCRIPTIONS } from './kit/api.ts'
import { EventReader } from './kit/events.ts'
import { eventually } from './kit/eventually.ts'
import { completed, line } from './kit/outcomes.ts'
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

/** Memory goes, storage and sockets stay. An object that is not in memory anyway is as good. */
async function evict(binding: 'REGISTRY' | 'JOB', name: string): Promise<void> {
  try {
    await server.worker.evictDurableObject(binding, { name, webSockets: 'hibernate' })
  } catch (error) {
    if (!String(error).includes('not currently running')) throw error
  }
}

async function evictBoth(jobId: JobId): Promise<void> {
  await evict('REGISTRY', 'pool:default')
  await evict('JOB', jobId)
}

async function expectDone(id: JobId, text: string): Promise<void> {
  const job = await eventually(
    () => readJob(server, id),
    (now) => now.status !== 'running' && now.status !== 'pending',
  )
  expect(job).toMatchObject({ status: 'completed', text, error: null })
  // Nothing was done twice: each stage ran on its first fence, once.
  expect(job.stages.map((stage) => stage.attempt)).toEqual([1, 1, 1])
}

describe('eviction', () => {
  test('[O20] Registry and Job evicted at every step of a task, sockets hibernated: the job ends right', async () => {
    const { id } = await submitted(server)
    await evictBoth(id)
    const prepare = await agent.accept(id, 'prepare')
    expect(prepare.fence).toBe(1)
    await evictBoth(id)
    agent.start(prepare)
    await eventually(
      () => readJob(server, id),
      (job) => job.stages[0]?.status === 'running',
    )
    await evictBoth(id)
    agent.progress(prepare, 50)
    agent.send({ type: 'lease.extend', leases: [{ task_id: prepare.task_id, fence: prepare.fence }] })
    expect((await agent.next('lease.extended')).leases).toHaveLength(1)
    const audio = await agent.upload(prepare, 'audio.s16', new Uint8Array(64))
    await evictBoth(id)
    expect(await agent.result(prepare, completed('prepare', [audio]))).toBe('accepted')

    const transcribe = await agent.accept(id, 'transcribe')
    agent.start(transcribe)
    agent.progress(transcribe, 60)
    const before = await eventually(
      () => readJob(server, id),
      (job) => job.stages[1]?.progress?.percent === 60,
    )
    await evictBoth(id)
    const after = await readJob(server, id)
    expect(after.progress.overall).toBeGreaterThanOrEqual(before.progress.overall)
    const transcript = await agent.upload(transcribe, 'transcript.jsonl', line(0, 0, 'still here'))
    expect(await agent.result(transcribe, completed('transcribe', [transcript]))).toBe('accepted')
    await evict('JOB', id)
    await expectDone(id, 'still here')
    expect(await agent.result(transcribe, completed('transcribe', [transcript]))).toBe('duplicate')
  })

  test('[O21] a stream that an eviction cut goes on where it was, by Last-Event-ID', async () => {
    const { id } = await submitted(server)
    const reader = await EventReader.open(server, id)
    const { id: seq } = await reader.next('snapshot')
    await reader.leave()
    await agent.run(id, 'prepare')
    await evict('JOB', id)
    const resumed = await EventReader.open(server, id, seq ?? 0)
    await agent.run(id, 'transcribe', line(0, 0, 'and on'))
    await resumed.ended
    expect(resumed.ids).toEqual(resumed.ids.map((_, index) => (seq ?? 0) + 1 + index))
    expect(resumed.types.at(-1)).toBe('job.completed')
  })

  test('[O22] an agent that comes back within its lease goes on with what it runs', async () => {
    const box = await ScriptedAgent.connect(server, { name: 'returning' })
    await agent.leave()
    const { id } = await submitted(server)
    const grant = await box.accept(id, 'prepare')
    box.start(grant)
    await box.leave()
    await evict('REGISTRY', 'pool:default')
    const running = [{ task_id: grant.task_id, fence: grant.fence }]
    const back = await ScriptedAgent.connect(server, { joined: box.joined, running })
    const welcome = back.inbox.all.find((message) => message.type === 'agent.welcome')
    expect(welcome).toMatchObject({ resume: running })
    const audio = await back.upload(grant, 'audio.s16', new Uint8Array(64))
    expect(await back.result(grant, completed('prepare', [audio]))).toBe('accepted')
    await back.run(id, 'transcribe', line(0, 0, 'back again'))
    await expectDone(id, 'back again')
    await back.leave()
    agent = await ScriptedAgent.connect(server, { slots: 1000 })
  })
})

describe('effects and alarms', () => {
  test('[O23] an object that is evicted with an unanswered effect performs it again: the index is never lost', async () => {
    const { id } = await submitted(server)
    await agent.run(id, 'prepare')
    const grant = await agent.accept(id, 'transcribe')
    agent.start(grant)
    const lines = await agent.upload(grant, 'transcript.jsonl', line(0, 0, 'written late'))
    await server.env.DB.exec('ALTER TABLE jobs RENAME TO jobs_away')
    expect(await agent.result(grant, completed('transcribe', [lines]))).toBe('accepted')
    const storage = await server.worker.getDurableObjectStorage('JOB', { name: id })
    const facts = () =>
      storage.exec("SELECT value FROM records WHERE kind = 'facts' ORDER BY id DESC LIMIT 1")
    await eventually(facts, ([row]) => String(row?.value).includes('job_completed'))
    await evict('JOB', id)
    await server.env.DB.exec('ALTER TABLE jobs_away RENAME TO jobs')
    // Nobody calls the object from here on: only its own alarm can wake it.
    const row = () =>
      server.env.DB.prepare('SELECT status FROM jobs WHERE id = ?').bind(id).first<{ status: string }>()
    expect(await eventually(row, (now) => now?.status === 'completed', 40_000)).toEqual({
      status: 'completed',
    })
  })
})

describe('ten hours', () => {
  const SEGMENTS = 10_000
  const WORDS_A_SEGMENT = 10
  let id: JobId
  beforeAll(async () => {
    const words = Array.from({ length: WORDS_A_SEGMENT }, (_, index) => `word${index}`).join(' ')
    const lines = Array.from({ length: SEGMENTS }, (_, index) => line(index, index * 3.6, words)).join('')
    id = (await submitted(server)).id
    await agent.run(id, 'prepare')
    await agent.run(id, 'transcribe', lines)
    await eventually(
      () => readStatus(id),
      (status) => status === 'completed',
      40_000,
    )
  })

  async function readStatus(jobId: JobId): Promise<string | undefined> {
    return (await server.env.JOB.getByName(jobId).read())?.view.status
  }

  test('[P95] 100,000 words are merged and come back as one document that streams', async () => {
    const response = await call(server, `${TRANSCRIPTIONS}/${id}`)
    expect(response.headers.get('content-length')).toBeNull()
    let chunks = 0
    let largest = 0
    const text: string[] = []
    const body = response.body ?? new Blob().stream()
    for await (const chunk of body.pipeThrough(new TextDecoderStream() as never) as AsyncIterable<string>) {
      chunks++
      largest = Math.max(largest, chunk.length)
      text.push(chunk)
    }
    const job = JobDocument.parse(JSON.parse(text.join('')))
    expect(job.words).toHaveLength(SEGMENTS * WORDS_A_SEGMENT)
    expect(job.segments).toHaveLength(SEGMENTS)
    expect(job.result).toMatchObject({ word_count: SEGMENTS * WORDS_A_SEGMENT, segment_count: SEGMENTS })
    expect(chunks).toBeGreaterThan(50)
    expect(largest).toBeLessThan(1024 * 1024)
  })

  test.each([['txt'], ['srt'], ['vtt']])('[P95] and as %s', async (format) => {
    const text = await (await call(server, `${TRANSCRIPTIONS}/${id}/export/${format}`)).text()
    expect(text.match(/word9/g)).toHaveLength(SEGMENTS)
  })

  test('[P96] a reader that goes in the middle of a long document stops the reading', async () => {
    const response = await call(server, `${TRANSCRIPTIONS}/${id}`)
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.cancel()
    expect((await call(server, '/health', { token: null })).status).toBe(200)
  })
})
