import { describe, expect, it } from 'vitest'
import { aControlPlane, aGate, anAgent, pidsOf, run } from './kit/agents.ts'
import { CREDENTIAL, JOIN_TOKEN } from './kit/control-plane.ts'

describe('[A14] a crash costs one task', () => {
  it.each(['crash', 'babble'])(
    '%s: a retryable engine_crashed, and the next task gets a fresh child',
    async (script) => {
      const plane = await aControlPlane()
      const agent = await anAgent(plane)
      const link = await plane.link()
      const crashed = await run(plane, link, { script })

      const { outcome } = await link.next('task.result')
      expect(outcome).toMatchObject({ status: 'failed', error: { code: 'engine_crashed', retryable: true } })
      link.send({ type: 'task.ack', ...crashed, answer: 'accepted' })

      await run(plane, link)
      expect((await link.next('task.result')).outcome.status).toBe('completed')
      expect(new Set(pidsOf(agent)).size).toBe(2)
    },
  )

  it('a child that works is kept for the next task', async () => {
    const plane = await aControlPlane()
    const agent = await anAgent(plane)
    const link = await plane.link()
    for (let task = 0; task < 2; task++) {
      await run(plane, link)
      await link.next('task.result')
    }
    expect(pidsOf(agent)).toHaveLength(1)
  })

  it('[A28] a warmed engine runs the first task in the child that was there before it', async () => {
    const plane = await aControlPlane()
    const agent = await anAgent(plane)
    const link = await plane.link()
    agent.warm()
    const warmed = pidsOf(agent)
    await run(plane, link)
    await link.next('task.result')
    expect(warmed.length).toBeGreaterThan(0)
    expect(pidsOf(agent)).toEqual(warmed)
  })

  it('two slots run two tasks of one engine in two children', async () => {
    const plane = await aControlPlane()
    const agent = await anAgent(plane, { slots: 2 })
    const link = await plane.link()
    const gate = await aGate()
    const grants = [
      await run(plane, link, { script: gate.script }),
      await run(plane, link, { script: gate.script }),
    ]
    for (const { task_id } of grants)
      await link.next('task.progress', (message) => message.task_id === task_id)
    await gate.open()
    for (const _ of grants) expect((await link.next('task.result')).outcome.status).toBe('completed')

    expect(new Set(pidsOf(agent)).size).toBe(2)
  })
})

describe('[A25] what an engine says is checked', () => {
  it.each([
    { script: 'lie', error: { code: 'engine_bad_output', retryable: true } },
    { script: 'no-output', error: { code: 'engine_bad_output', retryable: true } },
    { script: 'fail', error: { code: 'invalid_audio', message: 'This is no audio.', retryable: false } },
    {
      script: 'throw',
      error: { code: 'engine_error', message: 'RangeError: out of bounds', retryable: true },
    },
  ])('$script: $error.code', async ({ script, error }) => {
    const plane = await aControlPlane()
    await anAgent(plane)
    const link = await plane.link()
    await run(plane, link, { script })

    expect((await link.next('task.result')).outcome).toMatchObject({ status: 'failed', error })
  })
})

describe('[A19] [A20] the environment of a child', () => {
  it('turns telemetry off, has the allocator give memory back, and holds no secret', async () => {
    process.env.DALSTON_JOIN_TOKEN = JOIN_TOKEN
    const plane = await aControlPlane()
    await anAgent(plane)
    const link = await plane.link()
    const grant = await run(plane, link, { script: 'env' })
    await link.next('task.result')
    delete process.env.DALSTON_JOIN_TOKEN

    const text = plane.artifacts.objects.get(`jobs/${grant.task_id}/f1/speech.jsonl`)?.toString() ?? ''
    expect(JSON.parse(text)).toMatchObject({
      ORT_DISABLE_TELEMETRY: '1',
      MALLOC_MMAP_THRESHOLD_: '131072',
      MALLOC_TRIM_THRESHOLD_: '131072',
      GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
    })
    expect(text).not.toContain(JOIN_TOKEN)
    expect(text).not.toContain(CREDENTIAL)
  })
})

describe('[A18] reports reach the server', () => {
  it('the first and the last, none between within a second, with their text', async () => {
    const plane = await aControlPlane()
    await anAgent(plane)
    const link = await plane.link()
    await run(plane, link, { script: 'reports:200' })
    await link.next('task.result')

    const reports = link.messages.all.filter((message) => message.type === 'task.progress')
    expect(reports.map((report) => report.progress.percent)).toEqual([0.5, 100])
    expect(reports.at(-1)?.partial?.text).toBe('word 200')
  })
})
