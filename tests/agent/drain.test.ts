import { describe, expect, it } from 'vitest'
import { aControlPlane, aGate, aGrant, anAgent, anOffer, run } from './kit/agents.ts'

describe('[A17] drain', () => {
  it('keeps extending leases and finishes what runs', async () => {
    const plane = await aControlPlane()
    plane.welcome = { lease_ms: 400, lease_extend_ms: 40, heartbeat_ms: 40 }
    const gate = await aGate()
    const agent = await anAgent(plane)
    const link = await plane.link()
    const grant = await run(plane, link, { script: gate.script })
    agent.drain('SIGTERM')
    await link.next('agent.draining')
    const pings = link.pings

    for (let extension = 0; extension < 4; extension++) await link.next('lease.extend')
    link.send(anOffer(aGrant()))
    await link.next('task.decline')
    await gate.open()
    const { outcome } = await link.next('task.result')
    link.send({ type: 'task.ack', ...grant, answer: 'accepted' })

    expect(outcome.status).toBe('completed')
    expect((await agent.ended).exitCode).toBe(0)
    expect(link.pings).toBeGreaterThan(pings)
  })

  it('reconnects while draining, and leaves when the last result is answered', async () => {
    const plane = await aControlPlane()
    const gate = await aGate()
    const agent = await anAgent(plane)
    const first = await plane.link()
    const grant = await run(plane, first, { script: gate.script })
    agent.drain('SIGTERM')
    await first.next('agent.draining')
    first.cut()

    const second = await plane.link()
    await second.next('agent.draining')
    await gate.open()
    await second.next('task.result')
    second.send({ type: 'task.ack', ...grant, answer: 'accepted' })

    expect((await agent.ended).exitCode).toBe(0)
  })

  it('hands back what still runs at the limit', async () => {
    const plane = await aControlPlane()
    const agent = await anAgent(plane)
    const link = await plane.link()
    const grant = await run(plane, link, { script: 'spin' })
    await link.next('task.progress')
    agent.drain('SIGTERM', 100)

    const { outcome } = await link.next('task.result')
    link.send({ type: 'task.ack', ...grant, answer: 'accepted' })

    expect(outcome).toEqual({ status: 'handed_back', reason: 'SIGTERM' })
    expect((await agent.ended).exitCode).toBe(0)
  })

  it('a second request hands back at once', async () => {
    const plane = await aControlPlane()
    const agent = await anAgent(plane)
    const link = await plane.link()
    const grant = await run(plane, link, { script: 'hold:/nowhere' })
    agent.drain('SIGINT')
    agent.drain('SIGINT')

    expect((await link.next('task.result')).outcome.status).toBe('handed_back')
    link.send({ type: 'task.ack', ...grant, answer: 'accepted' })
    expect((await agent.ended).exitCode).toBe(0)
  })
})

describe('[A1] two offers for one slot', () => {
  it('one is accepted, one declined', async () => {
    const plane = await aControlPlane()
    await anAgent(plane)
    const link = await plane.link()
    const [a, b] = [aGrant(), aGrant()]
    link.send(anOffer(a))
    link.send(anOffer(b))

    expect(await link.next('task.accept')).toMatchObject(a)
    expect(await link.next('task.decline')).toMatchObject(b)
  })
})

describe('[A11] a lost grant', () => {
  it('ends the child, and nothing more is heard of it', async () => {
    const plane = await aControlPlane()
    plane.welcome = { lease_ms: 400, lease_extend_ms: 40 }
    const agent = await anAgent(plane)
    const link = await plane.link()
    const grant = await run(plane, link, { script: 'spin' })
    await link.next('task.progress')
    await link.next('lease.extend')
    link.send({ type: 'lease.extended', leases: [], lost: [grant] })

    await agent.lines.take('exit', (line) => line.event === 'engine.exited' && line.how === 'SIGKILL')
    await agent.lines.take('end', (line) => line.event === 'task.ended')
    await run(plane, link)
    expect((await link.next('task.result')).task_id).not.toBe(grant.task_id)
  })
})
