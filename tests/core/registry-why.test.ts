import { describe, expect, test } from 'vitest'
import { EngineId } from '#protocol/ids.ts'
import { A_RUN, agentId, aModel, anEngine, completed, jobId, taskId } from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'

/** Reasons in words: why a task waits, why an agent got it, and why each other did not. */
const transcribe = taskId('transcribe')
const ctc = (model: Parameters<typeof aModel>[1] = {}, id = 'ctc', slots = 8) =>
  anEngine({ id, stages: ['transcribe'], needsModel: true, slots, models: [aModel('english', model)] })

function whyChosen(run: RegistryRun, task = transcribe): string | null {
  const placement = run.state.placements.get(task)
  return placement === undefined || placement.at === 'queued' ? null : placement.why
}

describe('why it waits', () => {
  test('[R41] each agent is named with what keeps it from the task', () => {
    const run = new RegistryRun()
    run.hello(1)
    run.disconnect(1)
    run.hello(2)
    run.says(2, { type: 'agent.draining', reason: 'update' })
    run.hello(3)
    run.tell({ type: 'cordon', agentId: agentId(3), reason: 'new disk' })
    run.hello(4, { engines: [] })
    run.hello(5, { engines: [anEngine({ slots: 1 })] })
    run.enqueue({ jobId: jobId(9) })
    run.hello(6)
    run.enqueue({ jobId: jobId(8) })
    run.says(6, { type: 'task.decline', task_id: taskId('prepare', jobId(8)), fence: 1, reason: 'full' })
    run.tell({ type: 'cancel', taskId: taskId('prepare', jobId(8)), fence: 1, reason: 'over' })
    expect(run.enqueue().why).toBe(
      'waits for a free engine for prepare: box-1: offline; box-2: draining (update); ' +
        'box-3: drained by the operator (new disk); box-4: has no engines; box-5: prepare is busy; ' +
        'box-6: declined the last offer',
    )
  })

  test('[R41] of a fleet the first are named and the rest counted', () => {
    const run = new RegistryRun()
    for (let number = 1; number <= 1_000; number++) run.hello(number, { engines: [] })
    const { why } = run.enqueue()
    expect(why).toMatch(/^waits for a free engine for prepare: box-1: has no engines; .*; and 988 more$/)
    expect(why?.length).toBeLessThanOrEqual(900)
  })

  test('[R41] however long the reasons are, the sentence is bounded', () => {
    const run = new RegistryRun()
    for (let number = 1; number <= 12; number++) {
      run.hello(number)
      run.says(number, { type: 'agent.draining', reason: 'r'.repeat(150) })
    }
    expect(run.enqueue().why).toHaveLength(900)
  })
})

describe('why this agent', () => {
  test('[R41] an only agent is free; its loaded model and the recording are merits', () => {
    const run = new RegistryRun()
    run.hello(1, { engines: [anEngine(), ctc({ loaded: true })] })
    run.enqueue()
    expect(whyChosen(run, taskId('prepare'))).toBe('box-1: it is free')
    run.accept(1, taskId('prepare'))
    run.start(1, taskId('prepare'))
    const told = {
      agentId: agentId(1),
      taskId: taskId('prepare'),
      fence: 1,
      ...A_RUN,
      answer: 'accepted',
    } as const
    run.says(1, {
      type: 'task.result',
      task_id: taskId('prepare'),
      fence: 1,
      outcome: completed(taskId('prepare'), 1),
    })
    run.tell({ type: 'result.answered', ...told })
    run.hello(2, { engines: [ctc({ loaded: true })] })
    run.enqueue({ stage: 'transcribe' })
    expect(whyChosen(run)).toBe(
      'box-1: english is loaded, it has the recording. Not box-2: it does not have the recording',
    )
  })

  test('[R41] each other agent is named with what it comes short of', () => {
    const run = new RegistryRun()
    run.hello(1, { engines: [ctc({ loaded: true })] })
    run.hello(2, { engines: [ctc()] })
    run.hello(3, { engines: [ctc({ loaded: true }, 'whisper')] })
    run.hello(4, { engines: [ctc({ embedded: true, loaded: true })] })
    run.hello(5, { engines: [ctc({ loaded: true })] })
    run.hello(6, { engines: [ctc({ loaded: true })], slots: 1 })
    run.hello(7, { engines: [anEngine()] })
    const preferredEngineId = EngineId.parse('ctc')
    run.enqueue({ stage: 'transcribe', preferredEngineId, avoid: [agentId(5)] })
    expect(whyChosen(run)).toBe(
      'box-1: english is loaded. Not box-2: english is not loaded; box-3: it has no ctc; ' +
        'box-4: it has the embedded model only; box-5: it failed this task before; ' +
        'box-6: no better (0 of 1 slots taken); box-7: prepare does not serve transcribe (it serves prepare)',
    )
  })

  test('[R41] nobody is blamed for what the chosen one lacks too', () => {
    const run = new RegistryRun()
    run.hello(1, { engines: [ctc({ embedded: true })], slots: 2 })
    run.hello(2, { engines: [ctc({ embedded: true })], slots: 1 })
    run.enqueue({ stage: 'transcribe', avoid: [agentId(1), agentId(2)] })
    expect(whyChosen(run)).toBe('box-1: it is free. Not box-2: no better (0 of 1 slots taken)')
  })

  test('[R41] it is bounded for fleets as well', () => {
    const run = new RegistryRun()
    for (let number = 1; number <= 500; number++) run.hello(number)
    run.enqueue()
    expect(whyChosen(run, taskId('prepare'))).toMatch(/; and 487 more$/)
  })
})
