import { describe, expect, it } from 'vitest'
import { aControlPlane, anAgent, lives, pidsOf, run } from './kit/agents.ts'

describe('[A15] what hangs is killed at the run limit', () => {
  it.each(['spin', 'deaf'])('%s', async (script) => {
    const plane = await aControlPlane()
    const agent = await anAgent(plane)
    const link = await plane.link()
    await run(plane, link, { script, runLimitMs: 700 })

    const { outcome } = await link.next('task.result')

    expect(outcome).toMatchObject({ status: 'failed', error: { code: 'run_timeout', retryable: true } })
    expect(pidsOf(agent).map(lives)).toEqual([false])
  })
})

describe('[A16] a cancel frees the slot within 5 s, with the real grace of 2 s', () => {
  it('of an engine that blocks its thread', async () => {
    const plane = await aControlPlane()
    const agent = await anAgent(plane, { timing: { abortGraceMs: 2_000 } })
    const link = await plane.link()
    const grant = await run(plane, link, { script: 'spin' })
    await link.next('task.progress')
    const startMs = performance.now()
    link.send({ type: 'task.cancel', ...grant, reason: 'the caller cancelled' })

    const { outcome } = await link.next('task.result')

    expect(outcome).toMatchObject({ status: 'failed', error: { code: 'cancelled', retryable: true } })
    expect(performance.now() - startMs).toBeLessThan(5_000)
    expect(pidsOf(agent).map(lives)).toEqual([false])
    expect(plane.artifacts.objects.size).toBe(1)
  })

  it('an engine that listens stops by itself and keeps its child', async () => {
    const plane = await aControlPlane()
    const agent = await anAgent(plane, { timing: { abortGraceMs: 20_000 } })
    const link = await plane.link()
    const grant = await run(plane, link, { script: 'hold:/nowhere' })
    await link.next('task.progress')
    link.send({ type: 'task.cancel', ...grant, reason: '' })

    await link.next('task.result')

    expect(pidsOf(agent).map(lives)).toEqual([true])
  })
})

describe('[A5] heartbeats are the agent’s own', () => {
  it('they go on while an engine blocks its thread', async () => {
    const plane = await aControlPlane()
    plane.welcome = { heartbeat_ms: 50 }
    await anAgent(plane)
    const link = await plane.link()
    await run(plane, link, { script: 'spin' })
    await link.next('task.progress')
    const before = link.pings

    await new Promise<void>((resolve) => {
      link.onPing = () => link.pings >= before + 5 && resolve()
    })

    expect(plane.dials.all).toHaveLength(1)
  })
})
