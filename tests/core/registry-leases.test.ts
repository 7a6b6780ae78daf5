import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '#core/settings.ts'
import { jobId } from './kit/builders.ts'
import type { RegistryRun } from './kit/registry-run.ts'
import { grant, granted, running, task } from './kit/registry-states.ts'

const { startMs: START_MS } = DEFAULTS

/** The registry machine: start state → event → expected place, messages and orders. */
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

  test('[R10] an agent that let a lease end is asked again when it was heard of since', () => {
    const run = running()
    run.wakeAfter(DEFAULTS.leaseMs)
    run.enqueue({ jobId: jobId(2) })
    expect(run.said).toEqual([])
    run.wakeAfter(10_000)
    expect(run.said).toEqual([])
    run.wakeAfter(10_000, 1)
    expect(run.said).toEqual(['task.offer → 1'])
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
