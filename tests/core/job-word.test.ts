import { describe, expect, test } from 'vitest'
import { T0, taskId } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

const prepare = taskId('prepare')
const transcribe = taskId('transcribe')

/** The job machine: start state → event → expected state and orders. */
describe('the registry’s word', () => {
  test('[J19] a dispatched task that nobody spoke of for 60 s is asked after, again and again', () => {
    const run = JobRun.transcribing()
    for (const id of run.unanswered) run.tell({ type: 'effect.answered', id })
    run.nowMs = T0 + 59_999
    run.wakeAfter(0)
    expect(run.orders).toEqual([])
    expect(run.nextWakeMs).toBe(T0 + 60_000)
    run.wakeAfter(1)
    expect(run.orders).toEqual([`registry.inquire:${transcribe}:1`])
    expect(run.nextWakeMs).toBe(T0 + 120_000)
  })

  test('[J19] merge is nobody’s but the edge’s: it is not asked after', () => {
    const run = JobRun.transcribing()
    run.finish('transcribe')
    run.wakeAfter(60_000)
    expect(run.orders.filter((order) => order.startsWith('registry.inquire'))).toEqual([])
  })

  test('[J20] a known task goes on, and its reason for waiting is shown', () => {
    const run = JobRun.created()
    expect(run.placed('prepare', true, 'waits for a free engine')).toBe('ok')
    expect(run.view).toMatchObject({
      why: 'waits for a free engine',
      stages: [{ why: 'waits for a free engine' }, {}, {}],
    })
    expect(run.task('prepare').fence).toBe(1)
  })

  test.each([
    ['a start', (run: JobRun) => run.start('prepare')],
    ['a loss', (run: JobRun) => run.lose('prepare', false)],
    ['a place', (run: JobRun) => run.placed('prepare', true)],
    ['a result', (run: JobRun) => run.finish('prepare', { granted: true })],
  ])('[J21] %s proves that the enqueue arrived: it is not sent again', (_name, act) => {
    const run = JobRun.created()
    expect(run.unanswered).toContain(`enqueue:${prepare}:1`)
    act(run)
    expect(run.unanswered).not.toContain(`enqueue:${prepare}:1`)
  })
})
