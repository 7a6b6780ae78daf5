import { describe, expect, it } from 'vitest'
import { grantKey } from '#agent/session/state.ts'
import { EngineId, ModelId } from '#protocol/ids.ts'
import { aGrant, aGranted, anOffer } from './kit/agents.ts'
import { Walk } from './kit/walk.ts'

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

  it('[A30] and how much memory engines may take', () => {
    expect(new Walk().do({ type: 'link.opened' }).sent).toMatchObject([{ memory_mib: 4096 }])
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
      { type: 'task.result', outcome: { status: 'failed', error: { code: 'cancelled', retryable: true } } },
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
