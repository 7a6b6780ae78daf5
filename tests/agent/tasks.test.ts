import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  aControlPlane,
  aFolder,
  aGate,
  aGrant,
  anAgent,
  anUpload,
  run,
  type StartedAgent,
} from './kit/agents.ts'
import { PREPARE_SUMMARY } from './kit/engines.ts'
import { aModel } from './kit/models.ts'

describe('[A1] a task', () => {
  it('is fetched, run in a child, uploaded and reported; its folder is private and goes', async () => {
    const plane = await aControlPlane()
    const gate = await aGate()
    const agent = await anAgent(plane)
    const link = await plane.link()
    const grant = await run(plane, link, { script: gate.script, inputs: [anUpload(plane, 'sound')] })
    await link.next('task.progress')

    const work = join(agent.dataFolder, 'work', String(process.pid))
    const [folder = ''] = await readdir(work)
    expect((await stat(join(work, folder))).mode & 0o777).toBe(0o700)

    await gate.open()
    const { outcome } = await link.next('task.result')

    const prefix = `jobs/${grant.task_id}/f1/`
    expect(outcome).toMatchObject({
      status: 'completed',
      summary: PREPARE_SUMMARY,
      artifacts: [
        {
          name: 'audio.s16',
          key: `${prefix}audio.s16`,
          size_bytes: 5,
          content_type: 'audio/l16;rate=16000;channels=1',
        },
        { name: 'speech.jsonl', key: `${prefix}speech.jsonl`, size_bytes: 0 },
        { name: 'peaks.u8', key: `${prefix}peaks.u8`, size_bytes: 5 },
      ],
    })
    expect(plane.artifacts.objects.get(`${prefix}audio.s16`)?.toString()).toBe('sound')
    expect(await readdir(work)).toEqual(['cache'])
  })

  it('fails for good when its input is not there', async () => {
    const plane = await aControlPlane()
    await anAgent(plane)
    const link = await plane.link()
    const lost = { ...anUpload(plane), key: 'uploads/lost' }
    await run(plane, link, { inputs: [lost] })

    expect((await link.next('task.result')).outcome).toMatchObject({
      status: 'failed',
      error: { code: 'input_refused', retryable: false },
    })
  })
})

describe('[A21] transfers', () => {
  it('a dropped download goes on where it broke', async () => {
    const plane = await aControlPlane()
    plane.artifacts.breakAfterBytes.push(100_000, 50_000)
    const agent = await anAgent(plane)
    plane.artifacts.beforeBreak = () =>
      inputBytes(agent, plane.artifacts.ranges.length === 1 ? 100_000 : 150_000)
    const link = await plane.link()
    const content = Buffer.alloc(300_000, 'abcdefg')
    const grant = await run(plane, link, { inputs: [anUpload(plane, content)] })

    await link.next('task.result')

    expect(plane.artifacts.objects.get(`jobs/${grant.task_id}/f1/audio.s16`)?.equals(content)).toBe(true)
    expect(plane.artifacts.ranges).toEqual([null, 'bytes=100000-', 'bytes=150000-'])
  })

  it('a large output goes in equal parts, and a failed part is sent again', async () => {
    const plane = await aControlPlane()
    await anAgent(plane, { partSizeBytes: 1_000 })
    const link = await plane.link()
    const content = Buffer.alloc(2_500, 'xyz')
    const grant = aGrant()
    const gate = await aGate()
    await run(plane, link, { grant, script: gate.script, inputs: [anUpload(plane, content)] })
    await link.next('task.progress')
    plane.artifacts.failWith.push({ status: 500 }, { status: 503, headers: { 'retry-after': '0' } })
    await gate.open()

    await link.next('task.result')

    expect(plane.artifacts.partSizes).toEqual([1_000, 1_000, 500])
    expect(plane.artifacts.objects.get(`jobs/${grant.task_id}/f1/audio.s16`)?.equals(content)).toBe(true)
  })

  it('an upload that can not end is taken back', async () => {
    const plane = await aControlPlane()
    await anAgent(plane, { partSizeBytes: 1_000 })
    const link = await plane.link()
    const gate = await aGate()
    await run(plane, link, { script: gate.script, inputs: [anUpload(plane, Buffer.alloc(2_500))] })
    await link.next('task.progress')
    plane.artifacts.failParts = 413
    await gate.open()

    expect((await link.next('task.result')).outcome).toMatchObject({
      status: 'failed',
      error: { code: 'output_refused' },
    })
    expect(plane.artifacts.uploads.size).toBe(0)
  })

  it('each try carries the newest token of the lease', async () => {
    const plane = await aControlPlane()
    plane.welcome = { lease_ms: 400, lease_extend_ms: 30 }
    await anAgent(plane)
    const link = await plane.link()
    plane.artifacts.failWith.push({ status: 401, headers: { 'retry-after': '0' } })
    const gate = await aGate()
    const grant = await run(plane, link, { script: gate.script })
    await link.next('lease.extend')
    link.send({
      type: 'lease.extended',
      leases: [{ ...grant, lease_until_ms: 0, token: 'tt_second-task-token' }],
      lost: [],
    })
    await link.next('task.progress')
    await link.next('lease.extend')
    await gate.open()
    await link.next('task.result')

    expect(plane.artifacts.tokens[0]).toBe('Bearer tt_first-task-token')
    expect(plane.artifacts.tokens.at(-1)).toBe('Bearer tt_second-task-token')
  })
})

describe('[A22] own outputs are kept for the next task', () => {
  it('transcribe after prepare downloads nothing', async () => {
    const plane = await aControlPlane()
    const rootFolder = await aFolder()
    await aModel(rootFolder)
    await anAgent(plane, { rootFolder })
    const link = await plane.link()
    const prepared = await run(plane, link, { inputs: [anUpload(plane, Buffer.alloc(32_000))] })
    const { outcome } = await link.next('task.result')
    link.send({ type: 'task.ack', ...prepared, answer: 'accepted' })
    const inputs = outcome.status === 'completed' ? outcome.artifacts : []

    const grant = await run(plane, link, { stage: 'transcribe', modelId: 'tiny-en', inputs })
    const transcribed = await link.next('task.result')

    expect(transcribed.outcome.status).toBe('completed')
    expect(plane.artifacts.ranges).toHaveLength(1)
    const written = plane.artifacts.objects.get(`jobs/${grant.task_id}/f1/transcript.jsonl`)?.toString() ?? ''
    expect(JSON.parse(written)).toMatchObject({
      audio: { format: 's16le', start: 0, end: 1 },
      model: join(rootFolder, 'models', 'tiny'),
    })
  })
})

/** Resolves when a task of this agent has so many bytes of its input on disk. */
async function inputBytes(agent: StartedAgent, bytes: number): Promise<void> {
  const work = join(agent.dataFolder, 'work', String(process.pid))
  await expect
    .poll(
      async () => {
        const [folder = ''] = await readdir(work)
        const upload = await stat(join(work, folder, 'inputs', 'upload')).catch(() => null)
        return upload?.size
      },
      { timeout: 10_000 },
    )
    .toBe(bytes)
}
