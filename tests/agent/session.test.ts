import { describe, expect, it } from 'vitest'
import type { Effect, SessionEvent, SessionState } from '#agent/session/state.ts'
import { grantKey, grantOf } from '#agent/session/state.ts'
import { newSession, nextWakeMs, step } from '#agent/session.ts'
import type { AgentMessage, Grant, ServerMessage } from '#protocol/agent-messages.ts'
import { AgentId, EngineId, ModelId } from '#protocol/ids.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import { aGrant, aGranted, anOffer } from './kit/agents.ts'
import { ENGINES, PREPARE_SUMMARY } from './kit/engines.ts'

const engines = ENGINES.map(({ manifest }) => ({ manifest, device: 'cpu', slots: 1, models: [] }))
const DONE: TaskOutcome = {
  status: 'completed',
  artifacts: [],
  summary: PREPARE_SUMMARY,
  metrics: { transfer_ms: 0, load_ms: 0, run_ms: 0 },
}

/** A session that is driven by hand: a virtual clock, and everything that it ordered. */
class Walk {
  state: SessionState
  nowMs = 1_000
  effects: readonly Effect[] = []

  constructor(slots = 1) {
    const identity = { version: '1', platform: 'test', slots, drainLimitMs: 300_000 }
    this.state = newSession({ identity, engines, unanswered: [] }, this.nowMs)
  }

  do(event: SessionEvent): this {
    const next = step(this.state, event, this.nowMs)
    this.state = next.state
    this.effects = next.effects
    return this
  }

  hear(message: ServerMessage): this {
    return this.do({ type: 'message', message })
  }

  /** Lets time pass, waking as the shell would; gathers the effects of all wakes. */
  wait(ms: number): this {
    const untilMs = this.nowMs + ms
    const effects: Effect[] = []
    for (let wake = nextWakeMs(this.state); wake !== null && wake <= untilMs; wake = nextWakeMs(this.state)) {
      this.nowMs = Math.max(this.nowMs, wake)
      effects.push(...this.do({ type: 'wake' }).effects)
      if (effects.some((effect) => effect.type === 'leave')) break
    }
    this.nowMs = untilMs
    this.effects = effects
    return this
  }

  up(resume: Grant[] = []): this {
    return this.do({ type: 'link.opened' }).hear({
      type: 'agent.welcome',
      protocol: 1,
      agent_id: AgentId.parse('agent_01jd0000000000000000000000'),
      session_id: 's',
      heartbeat_ms: 10_000,
      lease_ms: 30_000,
      lease_extend_ms: 7_500,
      result_ack_ms: 5_000,
      resume,
    })
  }

  running(grant: Grant): this {
    return this.hear(anOffer(grant)).hear(aGranted(grant))
  }

  end(grant: Grant, outcome: TaskOutcome = DONE): this {
    return this.do({ type: 'task.ended', grant, outcome })
  }

  report(grant: Grant, percent: number): this {
    return this.do({
      type: 'task.reported',
      grant,
      report: { progress: { percent, message: null }, partial: null },
    })
  }

  get sent(): AgentMessage[] {
    return this.effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []))
  }

  get ordered(): string[] {
    return this.effects.map((effect) => (effect.type === 'send' ? effect.message.type : effect.type))
  }

  kindOf(grant: Grant): string {
    return this.state.tasks.get(grantKey(grant))?.kind ?? 'none'
  }
}

const ack = (grant: Grant, answer: 'accepted' | 'stale') => ({ type: 'task.ack', ...grant, answer }) as const
const a = aGrant()
const b = aGrant()

describe('[A1] an accept takes the slot', () => {
  it('the second of two offers for one slot is declined as full', () => {
    const walk = new Walk().up().hear(anOffer(a)).hear(anOffer(b))
    expect(walk.sent).toMatchObject([
      { type: 'task.decline', task_id: b.task_id, reason: 'full: 1 of 1 slots are taken' },
    ])
  })

  it('with two slots both are accepted', () => {
    expect(new Walk(2).up().hear(anOffer(a)).hear(anOffer(b)).ordered).toEqual(['task.accept'])
  })

  it('an offer that comes twice is accepted twice and takes one slot', () => {
    const walk = new Walk().up().hear(anOffer(a)).hear(anOffer(a))
    expect(walk.ordered).toEqual(['task.accept'])
    expect(walk.state.tasks.size).toBe(1)
  })

  it('an offer of what runs already is not answered', () => {
    expect(new Walk().up().running(a).hear(anOffer(a)).ordered).toEqual([])
  })
})

describe('[A4] a decline says why', () => {
  it.each([
    {
      what: 'unknown engine',
      change: { engine_id: EngineId.parse('whisper') },
      reason: 'no engine whisper here',
    },
    {
      what: 'unknown stage',
      change: { stage: 'align' as const },
      reason: 'engine scripted has no stage align',
    },
    {
      what: 'unknown model',
      change: { model_id: ModelId.parse('large') },
      reason: 'engine scripted has no model large here',
    },
  ])('$what', ({ change, reason }) => {
    expect(new Walk().up().hear({ ...anOffer(a), ...change }).sent).toMatchObject([
      { type: 'task.decline', reason },
    ])
  })

  it('draining', () => {
    const walk = new Walk()
      .up()
      .running(b)
      .do({ type: 'drain.requested', reason: 'SIGTERM', limitMs: 300_000 })
    expect(walk.hear(anOffer(a)).sent).toMatchObject([{ type: 'task.decline', reason: 'draining: SIGTERM' }])
  })
})

describe('[A2] a task starts only when it is granted', () => {
  it('accept starts nothing, the grant starts it', () => {
    const walk = new Walk().up().hear(anOffer(a))
    expect(walk.ordered).toEqual(['task.accept'])
    expect(walk.hear(aGranted(a)).ordered).toEqual(['startTask', 'task.started'])
  })

  it('a grant that comes twice starts it once', () => {
    expect(new Walk().up().running(a).hear(aGranted(a)).ordered).toEqual([])
  })

  it('a grant that nobody waits for goes back at once', () => {
    expect(new Walk().up().hear(aGranted(a)).sent).toMatchObject([
      { type: 'task.result', outcome: { status: 'handed_back' } },
    ])
  })

  it('a grant that comes while draining goes back at once', () => {
    const walk = new Walk(2).up().running(b).hear(anOffer(a))
    walk.do({ type: 'drain.requested', reason: 'SIGTERM', limitMs: 300_000 }).hear(aGranted(a))
    expect(walk.sent).toMatchObject([{ type: 'task.result', outcome: { status: 'handed_back' } }])
    expect(walk.kindOf(a)).toBe('none')
  })
})

describe('[A3] a reservation without a grant ends', () => {
  it.each([
    { afterMs: 9_999, kind: 'accepted' },
    { afterMs: 10_000, kind: 'none' },
  ])('after $afterMs ms: $kind', ({ afterMs, kind }) => {
    expect(new Walk().up().hear(anOffer(a)).wait(afterMs).kindOf(a)).toBe(kind)
  })

  it('with the link', () => {
    expect(new Walk().up().hear(anOffer(a)).do({ type: 'link.closed' }).kindOf(a)).toBe('none')
  })
})

describe('[A9] a lost link stops nothing; the welcome decides', () => {
  it('hello names what runs and what is unanswered', () => {
    const walk = new Walk(2).up().running(a).running(b).end(b)
    walk.do({ type: 'link.closed' }).do({ type: 'link.opened' })
    expect(walk.sent).toMatchObject([{ type: 'agent.hello', running: [a, b] }])
  })

  it('a resumed task goes on, its lease extended at once', () => {
    const walk = new Walk().up().running(a).do({ type: 'link.closed' }).up([a])
    expect(walk.kindOf(a)).toBe('running')
    expect(walk.sent).toEqual([{ type: 'lease.extend', leases: [a] }])
  })

  it('a task that is not resumed is ended without a result', () => {
    const walk = new Walk().up().running(a).do({ type: 'link.closed' }).up([])
    expect(walk.effects).toMatchObject([{ type: 'abortTask', grant: a, reason: 'lost' }])
    expect(walk.end(a).ordered).toEqual([])
  })
})

describe('[A10] leases are extended by the own timer', () => {
  const extensions = (walk: Walk) => walk.sent.filter((message) => message.type === 'lease.extend')

  it('every 7.5 s while the task runs', () => {
    expect(extensions(new Walk().up().running(a).wait(30_000))).toHaveLength(4)
  })

  it('while the result is unanswered', () => {
    expect(extensions(new Walk().up().running(a).end(a).wait(7_500))).toMatchObject([{ leases: [a] }])
  })

  it('not when the registry says that the grant is over, though the result goes on', () => {
    const walk = new Walk()
      .up()
      .running(a)
      .end(a)
      .hear({ type: 'lease.extended', leases: [], lost: [a] })
    expect(extensions(walk.wait(30_000))).toEqual([])
    expect(walk.state.outbox.size).toBe(1)
  })

  it('during a drain', () => {
    const walk = new Walk()
      .up()
      .running(a)
      .do({ type: 'drain.requested', reason: 'SIGTERM', limitMs: 300_000 })
    expect(extensions(walk.wait(30_000))).toHaveLength(4)
  })

  it('an extension brings the new token', () => {
    const lease = { ...a, lease_until_ms: 0, token: 'tt_second' }
    const walk = new Walk()
      .up()
      .running(a)
      .hear({ type: 'lease.extended', leases: [lease], lost: [] })
    expect(walk.state.tasks.get(grantKey(a))).toMatchObject({ token: 'tt_second' })
  })

  it('a late extension does not resurrect what is over', () => {
    const lease = { ...a, lease_until_ms: 0, token: 'tt_second' }
    const walk = new Walk()
      .up()
      .running(a)
      .hear({ type: 'lease.extended', leases: [], lost: [a] })
    expect(walk.hear({ type: 'lease.extended', leases: [lease], lost: [] }).kindOf(a)).toBe('ending')
  })
})

describe('[A11] a lost grant ends its task without a word', () => {
  it('the child is aborted, the slot is free when it is gone', () => {
    const walk = new Walk()
      .up()
      .running(a)
      .hear({ type: 'lease.extended', leases: [], lost: [a] })
    expect(walk.effects).toEqual([{ type: 'abortTask', grant: a, reason: 'lost' }])
    expect(walk.hear(anOffer(b)).sent).toMatchObject([{ type: 'task.decline' }])
    expect(walk.end(a).ordered).toEqual([])
    expect(walk.hear(anOffer(b)).ordered).toEqual(['task.accept'])
  })
})

describe('[A16] cancel', () => {
  it('is told when the child is gone', () => {
    const walk = new Walk()
      .up()
      .running(a)
      .hear({ type: 'task.cancel', ...a, reason: 'the caller' })
    expect(walk.effects).toEqual([{ type: 'abortTask', grant: a, reason: 'cancelled' }])
    expect(walk.end(a).sent).toMatchObject([
      { type: 'task.result', outcome: { status: 'failed', error: { code: 'cancelled', retryable: false } } },
    ])
  })

  it('of a reservation frees the slot', () => {
    expect(
      new Walk()
        .up()
        .hear(anOffer(a))
        .hear({ type: 'task.cancel', ...a, reason: '' })
        .kindOf(a),
    ).toBe('none')
  })

  it.each(['never seen', 'ended'])('of a task that was %s does nothing', (which) => {
    const walk = new Walk().up()
    if (which === 'ended') walk.running(a).end(a)
    expect(walk.hear({ type: 'task.cancel', ...a, reason: '' }).ordered).toEqual([])
  })
})

describe('[A12] a result is sent until it is answered', () => {
  it('socket, socket, then twelve posts with growing pauses, then rest until a welcome', () => {
    const walk = new Walk().up().running(a).end(a)
    expect(walk.ordered).toEqual(['saveResult', 'task.result'])
    expect(walk.wait(5_000).sent.filter((message) => message.type === 'task.result')).toHaveLength(1)
    let posts = walk.wait(5_000).ordered.filter((order) => order === 'postResult').length
    const startMs = walk.nowMs
    while (posts < 12) {
      walk
        .do({ type: 'result.posted', grant: a, answer: null, retryAfterMs: null, random: 0.999 })
        .wait(120_000)
      posts += walk.ordered.filter((order) => order === 'postResult').length
    }
    expect(walk.nowMs - startMs).toBeLessThan(12 * 120_000)
    walk.do({ type: 'result.posted', grant: a, answer: null, retryAfterMs: null, random: 0.999 })
    expect(walk.wait(3_600_000).ordered).not.toContain('postResult')
    expect(walk.do({ type: 'link.closed' }).up([]).ordered).toContain('task.result')
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
  expect(new Walk().up().do({ type: 'engines.changed', engines: one }).sent).toMatchObject([
    { type: 'agent.status', engines: one },
  ])
  expect(new Walk().do({ type: 'engines.changed', engines: one }).up().state.engines).toEqual(one)
})

it('grantOf keeps the grant alone', () => {
  expect(grantOf(anOffer(a))).toEqual(a)
})
