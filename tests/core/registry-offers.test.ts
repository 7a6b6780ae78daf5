import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '#core/settings.ts'
import { agentId, aModel, anEngine, completed, EVERYTHING, jobId, taskId } from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'
import { answer, grant, granted, offered, running, task, waiting } from './kit/registry-states.ts'

const { leaseMs: LEASE_MS, offerMs: OFFER_MS } = DEFAULTS

/** The registry machine: start state → event → expected place, messages and orders. */
describe('offers', () => {
  test('[R1] a task waits with a reason until an agent can take it, then it is offered for 5 s', () => {
    const run = new RegistryRun()
    expect(run.enqueue()).toMatchObject({
      known: true,
      why: 'waits for an engine for prepare: no agent is there',
    })
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
    run.says(1, { type: 'agent.status', slots: 4, models_free_bytes: null, engines: EVERYTHING })
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
