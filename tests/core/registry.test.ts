import { describe, expect, test } from 'vitest'
import { OVER_MS } from '#core/registry/intervals.ts'
import { presentEngines } from '#core/registry/presence.ts'
import { agentStatus, agentViews, engineViews, queueDepths } from '#core/registry/views.ts'
import { DEFAULTS } from '#core/settings.ts'
import { Pool } from '#protocol/ids.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import {
  agentId,
  aHello,
  aModel,
  anEngine,
  completed,
  EVERYTHING,
  failed,
  jobId,
  taskId,
} from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'

const { leaseMs: LEASE_MS, offerMs: OFFER_MS, startMs: START_MS } = DEFAULTS

/** The registry machine: start state → event → expected place, messages and orders. */
const task = taskId('prepare')
const grant = { task_id: task, fence: 1 }

function waiting(): RegistryRun {
  const run = new RegistryRun()
  run.enqueue()
  return run
}
function offered(): RegistryRun {
  const run = waiting()
  run.hello(1)
  return run
}
function granted(): RegistryRun {
  const run = offered()
  run.accept(1, task)
  return run
}
function running(): RegistryRun {
  const run = granted()
  run.start(1, task)
  run.tell({ type: 'effect.answered', id: `started:${task}:1`, answer: 'ok' })
  return run
}
function answer(
  run: RegistryRun,
  outcome: TaskOutcome,
  reply: 'accepted' | 'stale' | 'gone' = 'accepted',
): void {
  run.says(1, { type: 'task.result', ...grant, outcome })
  const wasCompleted = outcome.status === 'completed'
  const told = { agentId: agentId(), taskId: task, fence: 1, completed: wasCompleted, answer: reply }
  run.tell({ type: 'result.answered', ...told })
}

describe('offers', () => {
  test('[R1] a task waits with a reason until an agent can take it, then it is offered for 5 s', () => {
    const run = new RegistryRun()
    expect(run.enqueue()).toEqual({ known: true, why: 'waits for an engine for prepare: no agent is there' })
    expect(run.at(task)).toBe('queued')
    run.hello(1)
    expect(run.said).toEqual(['agent.welcome → 1', 'task.offer → 1'])
    expect(run.at(task)).toBe('offered 1')
    expect(run.nextWakeMs).toBe(run.nowMs + OFFER_MS)
  })

  test('[R1] an accepted offer is granted with a lease of 30 s and written down', () => {
    const run = offered()
    const { written } = run.records
    run.accept(1, task)
    expect(run.at(task)).toBe('granted 1')
    expect(run.sent).toMatchObject([
      { message: { type: 'task.granted', lease_until_ms: run.nowMs + LEASE_MS } },
    ])
    expect(run.records.written - written).toBe(1)
  })

  test('[R2] offers cost no rows', () => {
    const run = waiting()
    run.hello(1)
    const { written } = run.records
    run.wakeAfter(OFFER_MS, 1)
    expect(run.at(task)).toBe('queued')
    expect(run.records.written).toBe(written)
  })

  test('[R3] an accept after its offer expired is refused; another agent may have it', () => {
    const run = offered()
    run.hello(2)
    run.wakeAfter(OFFER_MS)
    expect(run.at(task)).toBe('offered 2')
    run.accept(1, task)
    expect(run.said).toEqual(['task.cancel → 1'])
    run.accept(2, task)
    expect(run.at(task)).toBe('granted 2')
  })

  test('[R3] a second accept of a grant that it holds does not cancel it', () => {
    const run = granted()
    run.accept(1, task)
    expect(run.said).toEqual([])
    expect(run.at(task)).toBe('granted 1')
  })

  test.each([
    ['another agent', (run: RegistryRun) => run.accept(2, task)],
    ['another fence', (run: RegistryRun) => run.accept(1, task, 2)],
    ['an unknown task', (run: RegistryRun) => run.accept(1, taskId('prepare', jobId(9)))],
  ])('[R3] the accept of %s changes nothing but is told so', (_name, act) => {
    const run = offered()
    run.hello(2)
    act(run)
    expect(run.at(task)).toBe('offered 1')
    expect(run.sent).toMatchObject([{ message: { type: 'task.cancel', reason: 'the offer is over' } }])
  })

  test('[R4] a declined offer does not spin: two seconds of quiet, then again; others are asked at once', () => {
    const run = offered()
    run.says(1, { type: 'task.decline', ...grant, reason: 'full' })
    expect(run.said).toEqual([])
    expect(run.at(task)).toBe('queued')
    expect(run.nextWakeMs).toBe(run.nowMs + 2_000)
    run.wakeAfter(1_999, 1)
    expect(run.said).toEqual([])
    run.wakeAfter(1, 1)
    expect(run.said).toEqual(['task.offer → 1'])
  })

  test('[R4] an agent that speaks of a change is asked again at once', () => {
    const run = offered()
    run.says(1, { type: 'task.decline', ...grant, reason: 'full' })
    run.says(1, { type: 'agent.status', slots: 4, engines: EVERYTHING })
    expect(run.said).toEqual(['task.offer → 1'])
  })

  test('[R5] an agent that let an offer pass is asked again only when it was heard of since', () => {
    const run = offered()
    run.wakeAfter(OFFER_MS)
    expect(run.tell({ type: 'inquire', taskId: task, fence: 1 }).why).toContain(
      'did not answer the last offer',
    )
    for (let round = 0; round < 5; round++) {
      run.wakeAfter(10_000)
      expect(run.said).toEqual([])
      expect(run.nextWakeMs).toBeGreaterThan(run.nowMs)
    }
    run.wakeAfter(60_000, 1)
    expect(run.said).toEqual(['task.offer → 1'])
  })

  test('[R6] two offers never share one slot, neither of the agent nor of an engine', () => {
    const run = new RegistryRun()
    run.hello(1, { slots: 3, engines: [anEngine({ slots: 2 })] })
    for (let number = 1; number <= 4; number++) run.enqueue({ jobId: jobId(number) })
    expect(run.state.held.get(agentId())?.size).toBe(2)
    run.hello(2, { slots: 1 })
    expect(run.said).toEqual(['agent.welcome → 2', 'task.offer → 2'])
    expect(run.enqueue({ jobId: jobId(5) }).why).toBe(
      'waits for a free engine for prepare: box-1: prepare is busy; box-2: no free slot (1 of 1 taken)',
    )
  })

  test('[R7] the best agent: no embedded model, loaded, holds the inputs, least loaded', () => {
    const ctc = (parts: Parameters<typeof aModel>[1]) =>
      anEngine({ id: 'ctc', stages: ['transcribe'], needsModel: true, models: [aModel('m', parts)] })
    const cases: [Parameters<RegistryRun['hello']>[1], Parameters<RegistryRun['hello']>[1]][] = [
      [{ engines: [ctc({ embedded: true, loaded: true })] }, { engines: [ctc({})] }],
      [{ engines: [ctc({})] }, { engines: [ctc({ loaded: true })] }],
      [
        { engines: [ctc({})], slots: 1 },
        { engines: [ctc({})], slots: 2 },
      ],
    ]
    for (const [worse, better] of cases) {
      const run = new RegistryRun()
      run.hello(1, worse)
      run.hello(2, better)
      run.enqueue({ stage: 'transcribe' })
      expect(run.at(taskId('transcribe'))).toBe('offered 2')
    }
  })

  test('[R7] the agent that ran a job’s last task holds its artifacts and is preferred', () => {
    const run = running()
    run.hello(2, { slots: 8 })
    answer(run, completed(task, 1))
    run.enqueue({ stage: 'transcribe' })
    expect(run.at(taskId('transcribe'))).toBe('offered 1')
  })

  test('[R8] tasks are offered in the order of arrival', () => {
    const run = new RegistryRun()
    for (const number of [3, 1, 2]) run.enqueue({ jobId: jobId(number) })
    run.hello(1, { slots: 2 })
    const offers = run.sent.flatMap(({ message }) => ('task_id' in message ? [message.task_id] : []))
    expect(offers).toEqual([taskId('prepare', jobId(3)), taskId('prepare', jobId(1))])
  })
})

describe('grants', () => {
  test('[R9] a start is told to the Job once, whatever is said again', () => {
    const run = granted()
    run.start(1, task)
    expect(run.orders).toEqual([`started:${task}:1`])
    run.start(1, task)
    expect(run.orders).toEqual([])
  })

  test.each([
    ['an extension', (run: RegistryRun) => run.extend(1, task)],
    [
      'progress',
      (run: RegistryRun) =>
        run.says(1, {
          type: 'task.progress',
          ...grant,
          n: 1,
          progress: { percent: 1, message: null },
          partial: null,
        }),
    ],
    ['a hello that lists it', (run: RegistryRun) => run.hello(1, { running: [grant] }, 's1b')],
  ])('[R9] a start that was lost is made up by %s', (_name, act) => {
    const run = granted()
    act(run)
    expect(run.orders).toEqual([`started:${task}:1`])
    run.wakeAfter(START_MS, 1)
    expect(run.at(task)).toBe('granted 1')
  })

  test('[R10] an extended lease lives on; one that is not ends, counted, and is told to agent and Job', () => {
    const run = running()
    run.nowMs += 29_999
    run.extend(1, task)
    expect(run.said).toEqual(['lease.extended → 1'])
    run.wakeAfter(29_999, 1)
    expect(run.at(task)).toBe('granted 1')
    run.wakeAfter(1, 1)
    expect(run.at(task)).toBe('over')
    expect(run.said).toEqual(['task.cancel → 1'])
    expect(run.effects).toContainEqual(
      expect.objectContaining({
        effect: expect.objectContaining({ type: 'job.lost', fence: 1, counted: true }),
      }),
    )
  })

  test('[R11] a grant that is not started within 15 s is lost and counts against nobody', () => {
    const run = granted()
    run.wakeAfter(START_MS, 1)
    expect(run.effects).toContainEqual(
      expect.objectContaining({ effect: expect.objectContaining({ type: 'job.lost', counted: false }) }),
    )
  })

  test('[R12] extending what is not held is answered as lost', () => {
    const run = running()
    run.hello(2)
    run.extend(2, task)
    expect(run.effects).toMatchObject([{ type: 'send.leases', leases: [], lost: [grant] }])
  })

  test('[R13] progress goes to the Job once for each n, and only from the holder', () => {
    const run = running()
    run.hello(2)
    const progress = {
      type: 'task.progress',
      ...grant,
      progress: { percent: 1, message: null },
      partial: null,
    } as const
    run.says(1, { ...progress, n: 2 })
    expect(run.effects.map(({ type }) => type)).toEqual(['job.progress'])
    for (const [number, n] of [
      [1, 2],
      [1, 1],
      [2, 3],
    ] as const) {
      run.says(number, { ...progress, n })
      expect(run.effects).toEqual([])
    }
  })

  test('[R14] a Job that calls the start stale or gone has moved on: the agent stops', () => {
    for (const reply of ['stale', 'gone'] as const) {
      const run = granted()
      run.start(1, task)
      run.tell({ type: 'effect.answered', id: `started:${task}:1`, answer: reply })
      expect(run.said).toEqual(['task.cancel → 1'])
      expect(run.at(task)).toBe('over')
    }
  })

  test('[R14] a Job that knows of the start already lets it run', () => {
    const run = granted()
    run.start(1, task)
    run.tell({ type: 'effect.answered', id: `started:${task}:1`, answer: 'duplicate' })
    expect(run.at(task)).toBe('granted 1')
  })
})

describe('results', () => {
  test('[R15] a result goes to the Job; only its answer frees the slot and is the ack', () => {
    const run = running()
    run.says(1, { type: 'task.result', ...grant, outcome: completed(task, 1) })
    expect(run.effects).toMatchObject([
      { type: 'job.result', runner: { agentId: agentId(), engineId: 'prepare' } },
    ])
    expect(run.at(task)).toBe('granted 1')
    const told = { agentId: agentId(), taskId: task, fence: 1, completed: true }
    run.tell({ type: 'result.answered', ...told, answer: 'accepted' })
    expect(run.sent).toMatchObject([{ message: { type: 'task.ack', answer: 'accepted' } }])
    expect(run.at(task)).toBe('over')
  })

  test.each([
    ['accepted', 'accepted'],
    ['duplicate', 'duplicate'],
    ['gone', 'gone'],
    ['stale', 'stale'],
    ['conflict', 'stale'],
    ['ok', 'stale'],
  ] as const)('[R15] the Job’s %s is acked as %s', (reply, ack) => {
    const run = running()
    const told = { agentId: agentId(), taskId: task, fence: 1, completed: true }
    run.tell({ type: 'result.answered', ...told, answer: reply })
    expect(run.sent).toMatchObject([{ message: { type: 'task.ack', answer: ack } }])
  })

  test('[R16] a result of an agent that does not hold the task goes to the Job too, without our word for it', () => {
    const run = running()
    run.hello(2)
    run.says(2, { type: 'task.result', ...grant, outcome: failed(true) })
    expect(run.effects).toMatchObject([{ type: 'job.result', agentId: agentId(2), runner: null }])
    const told = { agentId: agentId(2), taskId: task, fence: 1, completed: false }
    run.tell({ type: 'result.answered', ...told, answer: 'stale' })
    expect(run.at(task)).toBe('granted 1')
  })

  test('[R16] an answered result that started late needs no start any more', () => {
    const run = granted()
    run.start(1, task)
    answer(run, completed(task, 1))
    expect([...run.state.outbox.keys()]).toEqual([])
  })
})

describe('tasks that Jobs hand over', () => {
  test('[R17] enqueued twice: once in the queue', () => {
    const run = waiting()
    run.enqueue()
    expect([...run.state.queues.values()].map((tasks) => tasks.size)).toEqual([1])
    expect(queueDepths(run.state)).toEqual(new Map([['prepare', 1]]))
  })

  test('[R18] a higher fence supersedes: the holder of the old one stops', () => {
    const run = running()
    run.enqueue({ fence: 2 })
    expect(run.said).toEqual(['task.cancel → 1', 'task.offer → 1'])
    expect(run.tell({ type: 'inquire', taskId: task, fence: 1 }).known).toBe(false)
    answer(run, completed(task, 1), 'stale')
    expect(run.at(task)).toBe('offered 1')
  })

  test('[R18] a lower fence changes nothing and is unknown', () => {
    const run = new RegistryRun()
    run.enqueue({ fence: 2 })
    expect(run.enqueue({ fence: 1 })).toEqual({ known: false, why: null })
    expect(run.state.placements.get(task)?.dispatch.fence).toBe(2)
  })

  test.each([
    ['queued', waiting, []],
    ['offered', offered, ['task.cancel → 1']],
    ['granted', granted, ['task.cancel → 1']],
    ['running', running, ['task.cancel → 1']],
  ])('[R19] cancel of a %s task ends it', (_name, start, said) => {
    const run = start()
    run.tell({ type: 'cancel', taskId: task, fence: 1, reason: 'cancelled' })
    expect(run.at(task)).toBe('over')
    expect(run.said).toEqual(said)
    run.tell({ type: 'cancel', taskId: task, fence: 1, reason: 'cancelled' })
    expect(run.said).toEqual([])
  })

  test('[R19] a cancel that overtakes its enqueue wins', () => {
    const run = new RegistryRun()
    run.hello(1)
    run.tell({ type: 'cancel', taskId: task, fence: 1, reason: 'cancelled' })
    run.reload('s1')
    expect(run.enqueue()).toEqual({ known: false, why: null })
    expect(run.said).toEqual([])
  })

  test('[R19] the cancel of an old fence does not touch the new one', () => {
    const run = waiting()
    run.enqueue({ fence: 2 })
    run.tell({ type: 'cancel', taskId: task, fence: 1, reason: 'cancelled' })
    expect(run.at(task)).toBe('queued')
  })

  test('[R20] a fence that ended is remembered for ten minutes, over evictions, then forgotten', () => {
    const run = running()
    answer(run, completed(task, 1))
    run.reload('s1')
    expect(run.enqueue()).toEqual({ known: false, why: null })
    run.wakeAfter(OVER_MS, 1)
    expect(run.at(task)).toBe('unknown')
    expect(run.records.read().filter(({ kind }) => kind === 'task')).toEqual([])
  })

  test('[R20] and as long as its Job has not heard that it was lost: it may still enqueue that fence', () => {
    const run = running()
    run.wakeAfter(LEASE_MS, 1)
    run.wakeAfter(OVER_MS, 1)
    expect(run.enqueue()).toEqual({ known: true, why: null })
    expect(run.at(task)).toBe('over')
    run.tell({ type: 'effect.answered', id: `lost:${task}:1`, answer: 'ok' })
    run.wakeAfter(0, 1)
    expect(run.at(task)).toBe('unknown')
  })

  test('[R21] a task whose loss is on its way to the Job is still known', () => {
    const run = running()
    run.wakeAfter(LEASE_MS, 1)
    expect(run.tell({ type: 'inquire', taskId: task, fence: 1 })).toEqual({ known: true, why: null })
    run.tell({ type: 'effect.answered', id: `lost:${task}:1`, answer: 'ok' })
    expect(run.tell({ type: 'inquire', taskId: task, fence: 1 }).known).toBe(false)
  })

  test('[R21] what is unanswered is told again, later each time', () => {
    const run = running()
    run.wakeAfter(LEASE_MS, 1)
    run.wakeAfter(1_999, 1)
    expect(run.orders).toEqual([])
    run.wakeAfter(1, 1)
    expect(run.orders).toEqual([`lost:${task}:1`])
    expect(run.nextWakeMs).toBe(run.nowMs + 4_000)
  })
})

describe('agents that come and go', () => {
  test('[R22] a reconnect within the lease resumes: nothing is redone', () => {
    const run = running()
    run.disconnect(1)
    run.nowMs += 20_000
    run.hello(1, { running: [grant] }, 's1b')
    expect(run.sent).toMatchObject([{ message: { type: 'agent.welcome', resume: [grant] } }])
    run.wakeAfter(29_999, 1)
    expect(run.at(task)).toBe('granted 1')
  })

  test('[R22] a hello without the task loses it, counted when it had started', () => {
    for (const [start, counted] of [
      [granted, false],
      [running, true],
    ] as const) {
      const run = start()
      run.disconnect(1)
      run.hello(1, {}, 's1b')
      expect(run.sent).toMatchObject([{ message: { type: 'agent.welcome', resume: [] } }])
      expect(run.effects).toContainEqual(
        expect.objectContaining({ effect: expect.objectContaining({ type: 'job.lost', counted }) }),
      )
    }
  })

  test('[R23] a newer session replaces the older: 4009, and late frames of the old one change nothing', () => {
    const run = running()
    run.nowMs += 1_000
    run.hello(1, { running: [grant] }, 's1b')
    expect(run.effects[0]).toMatchObject({ type: 'close', sessionId: 's1', code: 4009 })
    run.says(1, { type: 'agent.draining', reason: 'old' }, 's1')
    run.disconnect(1, 's1')
    expect(run.state.agents.get(agentId())).toMatchObject({ session: { id: 's1b' }, draining: null })
  })

  test('[R23] the hello of an older connection, held back on the way, does not replace the newer one', () => {
    const run = new RegistryRun()
    const openedMs = run.nowMs
    run.nowMs += 10_000
    run.hello(1, {}, 'new')
    run.says(1, aHello(), 'old', openedMs)
    expect(run.effects).toMatchObject([{ type: 'close', sessionId: 'old', code: 4009 }])
    expect(run.state.agents.get(agentId())?.session?.id).toBe('new')
  })

  test('[R23] a second hello of one session changes nothing', () => {
    const run = running()
    run.hello(1)
    expect(run.effects).toEqual([])
    expect(run.at(task)).toBe('granted 1')
  })

  test('[R24] a frame before hello changes nothing', () => {
    const run = new RegistryRun()
    run.says(1, { type: 'task.accept', ...grant })
    expect(run.effects).toEqual([])
    expect(run.state.agents.size).toBe(0)
  })

  test('[R24] an agent of another protocol version is closed with 4011', () => {
    const run = waiting()
    run.hello(1, { protocol: { min: 3, max: 4 } })
    expect(run.effects).toMatchObject([
      { type: 'close', code: 4011, reason: 'this server speaks protocol 2, the agent 3 to 4' },
    ])
    expect(run.at(task)).toBe('queued')
  })

  test.each([
    ['disconnects', (run: RegistryRun) => run.disconnect(1)],
    ['drains', (run: RegistryRun) => run.says(1, { type: 'agent.draining', reason: 'update' })],
  ])(
    '[R25] what an agent was only offered goes to others at once when it %s; what it holds stays',
    (_name, act) => {
      const run = running()
      run.enqueue({ jobId: jobId(2) })
      act(run)
      expect(run.at(taskId('prepare', jobId(2)))).toBe('queued')
      expect(run.at(task)).toBe('granted 1')
      run.enqueue({ jobId: jobId(3) })
      expect(run.said).toEqual([])
    },
  )

  test('[R25] the reasons for waiting are said: one for each agent', () => {
    const run = new RegistryRun()
    run.hello(1)
    run.disconnect(1)
    run.hello(2)
    run.says(2, { type: 'agent.draining', reason: 'update' })
    run.hello(3, { engines: [] })
    run.hello(4, { engines: [anEngine({ id: 'ctc', stages: ['transcribe'] })] })
    expect(run.enqueue().why).toBe(
      'waits for a free engine for prepare: box-1: offline; box-2: draining (update); box-3: has no engines; ' +
        'box-4: ctc does not serve prepare (it serves transcribe)',
    )
  })

  test('[R26] an agent away for a week is forgotten; one that is connected never is', () => {
    const run = new RegistryRun()
    run.hello(1)
    run.hello(2)
    run.disconnect(2)
    run.nowMs += 7 * 86_400_000
    run.hello(3)
    expect(run.state.agents.size).toBe(3)
    run.nowMs += 1
    run.hello(4)
    const left = [agentId(1), agentId(3), agentId(4)]
    expect([...run.state.agents.keys()]).toEqual(left)
    expect(run.records.read().map(({ id }) => id)).toEqual(left)
  })
})

describe('evictions', () => {
  test('[R27] what was queued or offered is queued; what was granted is held, with a full lease', () => {
    const run = running()
    run.enqueue({ jobId: jobId(2) })
    run.nowMs += 25_000
    run.reload('s1')
    expect([run.at(task), run.at(taskId('prepare', jobId(2)))]).toEqual(['granted 1', 'queued'])
    run.wakeAfter(29_999, 1)
    expect(run.at(task)).toBe('granted 1')
  })

  test('[R28] a dead agent does not get a new lease at each alarm of an object that sleeps between them', () => {
    const run = running()
    for (let round = 0; round < 2; round++) {
      run.nowMs += LEASE_MS
      run.reload()
      run.wakeAfter(0)
    }
    expect(run.at(task)).toBe('over')
    expect(run.orders).toEqual([`lost:${task}:1`])
  })

  test('[R28] an agent that extends between them goes on', () => {
    const run = running()
    for (let round = 0; round < 5; round++) {
      run.nowMs += 25_000
      run.reload('s1')
      run.extend(1, task)
    }
    expect(run.at(task)).toBe('granted 1')
  })

  test('[R27] whether a task had started was not saved: when its agent speaks, the Job hears of it', () => {
    const run = granted()
    run.reload('s1')
    run.extend(1, task)
    expect(run.orders).toEqual([`started:${task}:1`])
  })

  test('[R29] after a restart of the server its agents count as there for a minute', () => {
    const run = new RegistryRun()
    run.hello(1)
    run.nowMs += 86_400_000
    run.reload()
    run.nowMs += 60_000
    expect(presentEngines(run.state, run.pongs, run.nowMs, DEFAULTS.offlineMs)).toHaveLength(
      EVERYTHING.length,
    )
    run.reload()
    expect(presentEngines(run.state, run.pongs, run.nowMs + 1, DEFAULTS.offlineMs)).toEqual([])
  })

  test('[R30] unanswered calls to Jobs are made at once again', () => {
    const run = granted()
    run.start(1, task)
    run.reload('s1')
    expect(run.nextWakeMs).toBe(run.nowMs)
    run.wakeAfter(0, 1)
    expect(run.orders).toEqual([`started:${task}:1`])
  })
})

describe('views', () => {
  test('[R31] agents are judged by when they were last seen; pings count', () => {
    const run = new RegistryRun()
    run.hello(1)
    const status = (afterMs: number) => {
      const agent = run.state.agents.get(agentId())
      return agent === undefined ? 'none' : agentStatus(agent, run.looking(afterMs))
    }
    expect([30_000, 30_001, 60_001].map(status)).toEqual(['online', 'suspect', 'offline'])
    run.wakeAfter(60_001, 1)
    expect(status(0)).toBe('online')
    run.says(1, { type: 'agent.draining', reason: 'update' })
    expect(status(0)).toBe('draining')
    run.disconnect(1)
    expect(status(0)).toBe('offline')
  })

  test('[R32] engines show what they run and what waits for them', () => {
    const run = new RegistryRun()
    run.hello(1, { slots: 1, engines: [anEngine({ slots: 1 })] })
    for (let number = 1; number <= 3; number++) run.enqueue({ jobId: jobId(number) })
    run.accept(1, task)
    run.start(1, task)
    expect(engineViews(run.state, run.looking())).toMatchObject([
      { engine_id: 'prepare', status: 'busy', running_tasks: 1, queued_tasks: 2, agent_name: 'box-1' },
    ])
    expect(agentViews(run.state, Pool.parse('default'), run.looking())).toMatchObject([
      { status: 'online', running_tasks: 1, slots: 1, engines: ['prepare'] },
    ])
  })
})
