import { describe, expect, it } from 'vitest'
import { aControlPlane, aGate, aGrant, anAgent, anOffer, run } from './kit/agents.ts'
import { CREDENTIAL } from './kit/control-plane.ts'

describe('[A5] heartbeats', () => {
  it('reconnects after 2 missed heartbeats', async () => {
    const plane = await aControlPlane()
    plane.welcome = { heartbeat_ms: 40 }
    plane.answersPings = false
    const agent = await anAgent(plane)
    const first = await plane.link()

    await plane.link()

    expect(first.pings).toBe(2)
    await agent.lines.take('drop', (line) => line.reason === '2 heartbeats unanswered')
  })

  it('does not reconnect after only 1 missed', async () => {
    const plane = await aControlPlane()
    // Long enough that a busy machine does not answer late by itself.
    plane.welcome = { heartbeat_ms: 300 }
    plane.answersPings = false
    await anAgent(plane)
    const link = await plane.link()

    // The odd pings stay unanswered.
    await new Promise<void>((resolve) => {
      link.onPing = () => {
        if (link.pings % 2 === 0) link.raw('pong')
        if (link.pings === 5) resolve()
      }
    })

    expect(plane.dials.all).toHaveLength(1)
  })
})

describe('[A6] dialling', () => {
  it('carries the credential, and waits as Retry-After says', async () => {
    const plane = await aControlPlane()
    plane.rejectDials.push({ status: 503, headers: { 'retry-after': '1' } })
    await anAgent(plane)
    await plane.link()

    const [first, second] = plane.dials.all
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(990)
    expect(second?.authorization).toBe(`Bearer ${CREDENTIAL}`)
  })

  it('goes on through one refusal after the other', async () => {
    const plane = await aControlPlane()
    plane.rejectDials.push({ status: 500 }, { status: 429 }, { status: 502 }, { status: 404 })
    await anAgent(plane)

    await plane.link()

    expect(plane.dials.all).toHaveLength(5)
  })

  it('times out and reconnects when no welcome comes', async () => {
    const plane = await aControlPlane()
    plane.welcome = 'none'
    await anAgent(plane, { timing: { handshakeMs: 60 } })
    const first = await plane.link()

    expect(await first.closed).toBe(4002)
    await plane.link()
  })

  it('refuses intervals of which one late packet loses the lease', async () => {
    const plane = await aControlPlane()
    plane.welcome = { lease_ms: 3_000, lease_extend_ms: 1_000 }
    const agent = await anAgent(plane)

    await agent.lines.take('drop', (line) => String(line.reason).startsWith('lease_ms must be more than 3'))
  })
})

describe('[A7] close codes', () => {
  it.each([
    { code: 4001, exitCode: 4, says: 'join again' },
    { code: 4009, exitCode: 1, says: 'Another agent' },
    { code: 4011, exitCode: 1, says: 'update the older' },
  ])('$code stops with $exitCode', async ({ code, exitCode, says }) => {
    const plane = await aControlPlane()
    // The credential that the join gave is refused; the join token may not buy a second one.
    const agent = await anAgent(plane)
    const link = await plane.link()
    plane.joinAnswer = { status: 401 }
    link.close(code)

    const end = await agent.ended

    expect(end.exitCode).toBe(exitCode)
    expect(`${end.sentence} join again`).toContain(says)
    expect(plane.dials.all).toHaveLength(1)
  })

  it('401 to a stored credential: a join token that came with it buys a new one, once', async () => {
    const plane = await aControlPlane()
    const first = await anAgent(plane)
    await plane.link()
    await first.stop()
    plane.rejectDials.push({ status: 401 })

    const second = await anAgent(plane, { dataFolder: first.dataFolder })
    await plane.link()
    expect(plane.joins).toHaveLength(2)

    plane.rejectDials.push({ status: 401 })
    plane.links.all.at(-1)?.cut()
    expect((await second.ended).exitCode).toBe(4)
    expect(plane.joins).toHaveLength(2)
  })

  it('a refused join token stops with 4', async () => {
    const plane = await aControlPlane()
    plane.joinAnswer = { status: 401 }
    const end = await (await anAgent(plane)).ended
    expect(end).toMatchObject({ exitCode: 4, sentence: expect.stringContaining('401 to the join token') })
  })

  it('4012 reconnects at once', async () => {
    const plane = await aControlPlane()
    await anAgent(plane, { timing: { backoffBaseMs: 60_000, backoffCapMs: 60_000 } })
    const link = await plane.link()
    link.close(4012)

    await plane.link()
  })
})

describe('[A8] a frame that is not ours ends the connection and touches nothing else', () => {
  it.each([
    { what: 'no JSON', frame: '{' },
    { what: 'an unknown type', frame: '{"type":"task.reboot"}' },
    { what: 'an unknown field', frame: JSON.stringify({ ...anOffer(aGrant()), extra: 1 }) },
    { what: 'a binary frame', frame: Buffer.from([1, 2, 3]) },
    { what: 'more than 64 KiB', frame: 'x'.repeat(70_000) },
    { what: 'a second welcome', frame: 'welcome' },
  ])('$what', async ({ frame }) => {
    const plane = await aControlPlane()
    const gate = await aGate()
    await anAgent(plane)
    const first = await plane.link()
    const grant = await run(plane, first, { script: gate.script })

    first.raw(frame === 'welcome' ? JSON.stringify(plane.welcomeFor(await first.hello)) : frame)

    const second = await plane.link()
    expect((await second.hello).running).toEqual([grant])
    await gate.open()
    expect((await second.next('task.result')).outcome.status).toBe('completed')
  })
})

describe('[A9] a lost link', () => {
  it('resumes the running task after a reconnect within the lease: nothing is redone', async () => {
    const plane = await aControlPlane()
    const gate = await aGate()
    const agent = await anAgent(plane)
    const first = await plane.link()
    const grant = await run(plane, first, { script: gate.script })
    await first.next('task.progress')

    first.cut()
    const second = await plane.link()
    await gate.open()
    const { outcome } = await second.next('task.result')

    expect((await second.hello).running).toEqual([grant])
    expect(outcome.status).toBe('completed')
    expect(agent.lines.all.filter((line) => line.event === 'task.started')).toHaveLength(1)
    expect(plane.artifacts.ranges).toHaveLength(1)
  })

  it('ends the child of a task that the welcome does not resume', async () => {
    const plane = await aControlPlane()
    const agent = await anAgent(plane)
    const first = await plane.link()
    await run(plane, first, { script: 'spin' })
    await first.next('task.progress')

    plane.welcome = { resume: [] }
    first.cut()
    const second = await plane.link()

    await agent.lines.take('exit', (line) => line.event === 'engine.exited' && line.how === 'SIGKILL')
    await agent.lines.take('end', (line) => line.event === 'task.ended')
    expect(second.count('task.result')).toBe(0)
  })
})
