import { describe, expect, it } from 'vitest'
import { REST_MS } from '#agent/session/delivery.ts'
import { grantKey } from '#agent/session/state.ts'
import { aGrant } from './kit/agents.ts'
import { ack, engines, Walk } from './kit/walk.ts'

const a = aGrant()

describe('[A12] a result is sent until it is answered', () => {
  it('socket, socket, then twelve posts with growing pauses, then a rest that a welcome ends', () => {
    const walk = new Walk().up().running(a).end(a)
    expect(walk.ordered).toEqual(['saveResult', 'task.result'])
    expect(walk.wait(5_000).sent.filter((message) => message.type === 'task.result')).toHaveLength(1)
    expect(walk.wait(5_000).ordered).toContain('postResult')
    const unanswered = {
      type: 'result.posted',
      grant: a,
      answer: null,
      retryAfterMs: null,
      random: 1,
    } as const
    const pauses = Array.from({ length: 11 }, () => {
      const delivery = walk.do(unanswered).state.outbox.get(grantKey(a))
      const pauseMs = (delivery?.nextMs ?? 0) - walk.nowMs
      expect(walk.wait(pauseMs).ordered.filter((order) => order === 'postResult')).toHaveLength(1)
      return pauseMs / 1000
    })
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 120, 120, 120, 120])
    walk.do(unanswered).wait(120_000)
    expect(walk.wait(REST_MS - 1).ordered).not.toContain('task.result')
    expect(walk.do({ type: 'link.closed' }).up([]).ordered).toContain('task.result')
  })

  it('after the rest it begins again, also over a socket that never broke, which holds its lease', () => {
    const walk = new Walk().up().running(a).end(a).wait(10_000)
    for (let post = 0; post < 12; post++) {
      walk.do({ type: 'result.posted', grant: a, answer: null, retryAfterMs: null, random: 0 })
    }
    expect(walk.state.outbox.get(grantKey(a))?.nextMs).toBe(walk.nowMs + REST_MS)
    expect(walk.wait(REST_MS).sent.at(-1)).toMatchObject({ type: 'task.result', ...a })
    expect(walk.wait(10_000).ordered).toContain('postResult')
  })

  it('without a link it is posted after the time of two answers', () => {
    const walk = new Walk().up().running(a).do({ type: 'link.closed' }).end(a)
    expect(walk.ordered).toEqual(['saveResult'])
    expect(walk.wait(9_999).ordered).toEqual([])
    expect(walk.wait(1).ordered).toEqual(['postResult'])
  })

  it('a post waits as long as the server asks', () => {
    const walk = new Walk().up().running(a).do({ type: 'link.closed' }).end(a).wait(10_000)
    walk.do({ type: 'result.posted', grant: a, answer: null, retryAfterMs: 33_000, random: 0 })
    expect(walk.wait(32_999).ordered).toEqual([])
    expect(walk.wait(1).ordered).toEqual(['postResult'])
  })

  it.each([
    { answer: 'accepted', keepOutputs: true },
    { answer: 'duplicate', keepOutputs: true },
    { answer: 'stale', keepOutputs: false },
    { answer: 'gone', keepOutputs: false },
  ] as const)('[A13] $answer ends it; outputs kept: $keepOutputs', ({ answer, keepOutputs }) => {
    const walk = new Walk()
      .up()
      .running(a)
      .end(a)
      .hear({ type: 'task.ack', ...a, answer })
    expect(walk.effects).toMatchObject([{ type: 'forgetResult', keepOutputs }])
    expect(walk.state.outbox.size).toBe(0)
  })

  it('an answer that comes twice, or late, does nothing', () => {
    const walk = new Walk().up().running(a).end(a).hear(ack(a, 'accepted'))
    expect(walk.hear(ack(a, 'accepted')).effects).toEqual([])
    expect(
      walk.do({ type: 'result.posted', grant: a, answer: null, retryAfterMs: null, random: 0 }).effects,
    ).toEqual([])
  })
})

describe('[A17] drain', () => {
  const draining = (walk: Walk, limitMs = 300_000) =>
    walk.do({ type: 'drain.requested', reason: 'SIGTERM', limitMs })

  it('without tasks it leaves at once', () => {
    expect(draining(new Walk().up()).ordered).toEqual(['agent.draining', 'leave'])
  })

  it('before the first connection too', () => {
    expect(draining(new Walk()).ordered).toEqual(['leave'])
  })

  it('a running task finishes, its result is answered, then it leaves', () => {
    const walk = draining(new Walk().up().running(a))
    expect(walk.ordered).toEqual(['agent.draining'])
    expect(walk.end(a).ordered).toEqual(['saveResult', 'task.result'])
    expect(walk.hear(ack(a, 'accepted')).ordered).toEqual(['forgetResult', 'leave'])
  })

  it('at the limit the task is handed back, and the child ends before it leaves', () => {
    const walk = draining(new Walk().up().running(a), 20_000)
    expect(walk.wait(19_999).ordered).not.toContain('abortTask')
    expect(walk.wait(1).ordered).toEqual(['abortTask', 'saveResult', 'task.result'])
    expect(walk.hear(ack(a, 'accepted')).ordered).toEqual(['forgetResult'])
    expect(walk.end(a).ordered).toEqual(['leave'])
  })

  it('a second request hands back at once', () => {
    expect(draining(draining(new Walk().up().running(a))).ordered).toEqual([
      'abortTask',
      'saveResult',
      'task.result',
    ])
  })

  it('an unanswered result keeps it 10 s, not for ever', () => {
    const walk = draining(new Walk().up().running(a)).end(a)
    expect(walk.wait(9_999).ordered).not.toContain('leave')
    expect(walk.wait(1).ordered).toContain('leave')
  })

  it('a connection lost while draining says so again after the welcome', () => {
    const walk = draining(new Walk().up().running(a)).do({ type: 'link.closed' }).up([a])
    expect(walk.ordered).toEqual(['agent.draining', 'lease.extend'])
  })

  it('the server can ask for it, and asking twice hands nothing back', () => {
    const ask = { type: 'agent.drain', reason: 'maintenance' } as const
    expect(new Walk().up().running(a).hear(ask).ordered).toEqual(['agent.draining'])
    expect(new Walk().up().running(a).hear(ask).hear(ask).ordered).toEqual([])
  })
})

describe('[A18] progress', () => {
  const percents = (walk: Walk) =>
    walk.sent.flatMap((message) =>
      message.type === 'task.progress' ? [[message.n, message.progress.percent]] : [],
    )

  it('the first goes at once, then at most one a second, the last with the result', () => {
    const walk = new Walk().up().running(a)
    expect(percents(walk.report(a, 1))).toEqual([[1, 1]])
    expect(percents(walk.report(a, 2))).toEqual([])
    expect(percents(walk.report(a, 3).wait(1_000))).toEqual([[2, 3]])
    expect(percents(walk.report(a, 100))).toEqual([])
    walk.end(a)
    expect(walk.ordered).toEqual(['task.progress', 'saveResult', 'task.result'])
    expect(percents(walk)).toEqual([[3, 100]])
  })

  it('what came while the link was down follows the welcome, and n goes on', () => {
    const walk = new Walk().up().running(a).report(a, 1).do({ type: 'link.closed' })
    walk.report(a, 50).wait(5_000)
    expect(percents(walk)).toEqual([])
    expect(percents(walk.up([a]))).toEqual([[2, 50]])
  })

  it('of a task that is over is dropped', () => {
    const walk = new Walk()
      .up()
      .running(a)
      .hear({ type: 'task.cancel', ...a, reason: '' })
    expect(walk.report(a, 50).effects).toEqual([])
  })
})

it('[A9] a changed announcement is sent when there is a link, and hello carries it when there was none', () => {
  const one = engines.slice(0, 1)
  expect(
    new Walk().up().do({ type: 'engines.changed', engines: one, modelsFreeBytes: null }).sent,
  ).toMatchObject([{ type: 'agent.status', engines: one }])
  expect(
    new Walk().do({ type: 'engines.changed', engines: one, modelsFreeBytes: null }).up().state.engines,
  ).toEqual(one)
})
