import { describe, expect, test } from 'vitest'
import { A_RUN, agentId, completed, failed, NO_RUN } from './kit/builders.ts'
import { answer, grant, granted, running, task } from './kit/registry-states.ts'

/** The registry machine: start state → event → expected place, messages and orders. */
describe('results', () => {
  test('[R15] a result goes to the Job; only its answer frees the slot and is the ack', () => {
    const run = running()
    run.says(1, { type: 'task.result', ...grant, outcome: completed(task, 1) })
    expect(run.effects).toMatchObject([
      { type: 'job.result', runner: { agentId: agentId(), engineId: 'prepare' } },
    ])
    expect(run.at(task)).toBe('granted 1')
    const told = { agentId: agentId(), taskId: task, fence: 1, ...A_RUN }
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
    const told = { agentId: agentId(), taskId: task, fence: 1, ...A_RUN }
    run.tell({ type: 'result.answered', ...told, answer: reply })
    expect(run.sent).toMatchObject([{ message: { type: 'task.ack', answer: ack } }])
  })

  test('[R16] a result of an agent that does not hold the task goes to the Job too, without our word for it', () => {
    const run = running()
    run.hello(2)
    run.says(2, { type: 'task.result', ...grant, outcome: failed(true) })
    expect(run.effects).toMatchObject([{ type: 'job.result', agentId: agentId(2), runner: null }])
    const told = { agentId: agentId(2), taskId: task, fence: 1, ...NO_RUN }
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
