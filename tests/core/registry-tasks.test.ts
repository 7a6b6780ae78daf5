import { describe, expect, test } from 'vitest'
import { OVER_MS } from '#core/registry/intervals.ts'
import { stageDepths } from '#core/registry/views.ts'
import { DEFAULTS } from '#core/settings.ts'
import { completed } from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'
import { answer, granted, offered, running, task, waiting } from './kit/registry-states.ts'

const { leaseMs: LEASE_MS } = DEFAULTS

/** The registry machine: start state → event → expected place, messages and orders. */
describe('tasks that Jobs hand over', () => {
  test('[R17] enqueued twice: once in the queue', () => {
    const run = waiting()
    run.enqueue()
    expect([...run.state.queues.values()].map((tasks) => tasks.size)).toEqual([1])
    expect(stageDepths(run.state)).toEqual(new Map([['prepare', 1]]))
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
    expect(run.enqueue({ fence: 1 })).toMatchObject({ known: false, why: null })
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
    expect(run.enqueue()).toMatchObject({ known: false, why: null })
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
    expect(run.enqueue()).toMatchObject({ known: false, why: null })
    run.wakeAfter(OVER_MS, 1)
    expect(run.at(task)).toBe('unknown')
    expect(run.records.read().filter(({ kind }) => kind === 'task')).toEqual([])
  })

  test('[R20] and as long as its Job has not heard that it was lost: it may still enqueue that fence', () => {
    const run = running()
    run.wakeAfter(LEASE_MS, 1)
    run.wakeAfter(OVER_MS, 1)
    expect(run.enqueue()).toMatchObject({ known: true, why: null })
    expect(run.at(task)).toBe('over')
    run.tell({ type: 'effect.answered', id: `lost:${task}:1`, answer: 'ok' })
    run.wakeAfter(0, 1)
    expect(run.at(task)).toBe('unknown')
  })

  test('[R21] a task whose loss is on its way to the Job is still known', () => {
    const run = running()
    run.wakeAfter(LEASE_MS, 1)
    expect(run.tell({ type: 'inquire', taskId: task, fence: 1 })).toMatchObject({ known: true, why: null })
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
