import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '#core/settings.ts'
import { ModelId } from '#protocol/ids.ts'
import { aDispatch, agentId, aHello, aModel, anEngine, jobId, taskId } from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'
import { task } from './kit/registry-states.ts'

/** Whether what waits can still run: tasks that no engine could run are given up, at once or as late as their job says. */
const { offlineMs: OFFLINE_MS } = DEFAULTS
const PATIENCE_MS = 300_000
const LOST = [`lost:${task}:1`]

/** A task that waits for the only agent that could run it, which is busy. */
function waitsForBusy(patienceMs = 0): RegistryRun {
  const run = new RegistryRun()
  run.hello(1, { slots: 1 })
  run.enqueue({ jobId: jobId(9), runLimitMs: 86_400_000 })
  run.accept(1, taskId('prepare', jobId(9)))
  run.start(1, taskId('prepare', jobId(9)))
  run.enqueue({ patienceMs, queuedAtMs: run.nowMs })
  return run
}

/** Wakes whenever the registry wants to, for so long; the tasks that were given up meanwhile. */
function givenUp(run: RegistryRun, ms: number, ...alive: number[]): string[] {
  const orders: string[] = []
  const untilMs = run.nowMs + ms
  for (let wakeMs = run.nextWakeMs; wakeMs !== null && wakeMs <= untilMs; wakeMs = run.nextWakeMs) {
    run.wakeAfter(Math.max(0, wakeMs - run.nowMs), ...alive)
    for (const id of run.orders) {
      if (!id.startsWith('lost:')) continue
      orders.push(id)
      run.tell({ type: 'effect.answered', id, answer: 'ok' })
    }
  }
  run.nowMs = untilMs
  return orders.filter((id) => !id.includes(jobId(9)))
}

describe('a job that does not wait', () => {
  test('[R42] no engine at the enqueue: given up at once, uncounted and not to be retried', () => {
    const run = new RegistryRun()
    run.enqueue()
    expect(run.nextWakeMs).toBe(run.nowMs)
    run.wakeAfter(0)
    expect(run.effects).toMatchObject([
      {
        id: `lost:${task}:1`,
        effect: {
          type: 'job.lost',
          counted: false,
          error: { code: 'no_capable_engine', retryable: false, message: expect.stringContaining('prepare') },
        },
      },
    ])
    expect(run.at(task)).toBe('over')
    expect(run.enqueue().known).toBe(true)
  })

  test('[R42] only the model is missing: the sentence names it and what brings it', () => {
    const run = new RegistryRun()
    const engine = anEngine({
      id: 'ctc',
      stages: ['transcribe'],
      needsModel: true,
      models: [aModel('other')],
    })
    run.hello(1, { engines: [engine] })
    const requirements = {
      ...aDispatch().requirements,
      stage: 'transcribe' as const,
      model_id: ModelId.parse('own'),
    }
    run.enqueue({ requirements })
    run.wakeAfter(0)
    const message =
      "No agent has the model own any more: it was removed, or its files are not what they were (the agent's log says which). What helps: dalston models pull own"
    expect(run.effects).toMatchObject([{ effect: { type: 'job.lost', error: { message } } }])
  })

  test('[R42] engines that run something else are none', () => {
    const run = new RegistryRun()
    run.hello(1, { engines: [anEngine({ id: 'ctc', stages: ['transcribe'] })] })
    run.enqueue()
    expect(givenUp(run, 0, 1)).toEqual(LOST)
  })

  test('[R43] while an engine is only busy, however long, nothing is given up', () => {
    const run = waitsForBusy()
    for (let minute = 0; minute < 60; minute++) {
      run.extend(1, taskId('prepare', jobId(9)))
      expect(givenUp(run, 20_000, 1)).toEqual([])
    }
    expect(run.at(task)).toBe('queued')
  })

  test('[R42] one that vanished counts as there for a minute, then what waits for it is given up', () => {
    const run = waitsForBusy()
    run.disconnect(1)
    expect(givenUp(run, OFFLINE_MS)).toEqual([])
    expect(run.at(task)).toBe('queued')
    expect(givenUp(run, 1)).toEqual(LOST)
  })

  test('[R42] also one whose connection hangs half open: no pong is no sign of life', () => {
    const run = waitsForBusy()
    expect(givenUp(run, 2 * OFFLINE_MS + 1_000)).toEqual(LOST)
  })

  test('[R43] an idle agent that only answers pings is there', () => {
    const run = new RegistryRun()
    run.hello(1, { slots: 1 })
    run.nowMs += 10 * OFFLINE_MS
    run.enqueue()
    run.says(1, { type: 'task.decline', task_id: task, fence: 1, reason: 'busy' })
    run.nowMs += 1
    expect(givenUp(run, 0, 1)).toEqual([])
    run.enqueue({ jobId: jobId(2) })
    expect(givenUp(run, 10 * OFFLINE_MS, 1)).toEqual([])
  })

  test('[R43] back in time: nothing happened', () => {
    const run = waitsForBusy()
    run.disconnect(1)
    expect(givenUp(run, OFFLINE_MS - 1)).toEqual([])
    run.hello(1, { slots: 1 }, 's1b')
    expect(run.at(task)).toBe('offered 1')
    expect(givenUp(run, 10 * OFFLINE_MS, 1)).toEqual([])
  })

  test('[R42] a revoked agent was never there', () => {
    const run = waitsForBusy()
    run.tell({ type: 'revoke', agentId: agentId() })
    expect(givenUp(run, 0)).toEqual(LOST)
  })

  test('[R42] a restart of the server is no outage: its agents have a minute to come back', () => {
    const run = waitsForBusy()
    run.reload()
    expect(givenUp(run, OFFLINE_MS)).toEqual([])
    run.reload()
    expect(givenUp(run, 2_000)).toEqual(LOST)
  })

  test('[R42] ten thousand tasks are given up together, some hundreds a step', () => {
    const run = new RegistryRun()
    for (let number = 1; number <= 10_000; number++) run.enqueue({ jobId: jobId(number) })
    const steps: number[] = []
    while (run.state.placements.size > 0) {
      run.wakeAfter(run.nextWakeMs === null ? 0 : Math.max(0, run.nextWakeMs - run.nowMs))
      steps.push(run.orders.length)
    }
    expect(steps).toEqual(Array.from({ length: 20 }, () => 500))
    expect(run.state.queues.size).toBe(0)
  })
})

describe('a job that waits', () => {
  test('[R42] it is given up when nobody has been there for as long as it waits', () => {
    const run = waitsForBusy(PATIENCE_MS)
    run.disconnect(1)
    expect(givenUp(run, OFFLINE_MS + PATIENCE_MS - 1)).toEqual([])
    expect(givenUp(run, 2)).toEqual(LOST)
  })

  test('[R42] who comes later waits from then on', () => {
    const run = new RegistryRun()
    run.enqueue({ patienceMs: PATIENCE_MS })
    expect(givenUp(run, 200_000)).toEqual([])
    run.enqueue({ jobId: jobId(2), patienceMs: PATIENCE_MS, queuedAtMs: run.nowMs })
    expect(givenUp(run, 100_000)).toEqual(LOST)
    expect(givenUp(run, 199_999)).toEqual([])
    expect(givenUp(run, 1)).toEqual([`lost:${taskId('prepare', jobId(2))}:1`])
  })

  test('[R42] beside one that waits, one that does not is given up at once', () => {
    const run = new RegistryRun()
    run.enqueue({ patienceMs: PATIENCE_MS })
    expect(givenUp(run, 10_000)).toEqual([])
    run.enqueue({ jobId: jobId(2), queuedAtMs: run.nowMs })
    expect(givenUp(run, 0)).toEqual([`lost:${taskId('prepare', jobId(2))}:1`])
  })

  test('[R42] an eviction begins nothing anew: not one at each alarm, nor one between', () => {
    const run = waitsForBusy(PATIENCE_MS)
    run.disconnect(1)
    const endMs = run.nowMs + OFFLINE_MS + PATIENCE_MS
    let orders: string[] = []
    while (orders.length === 0) {
      run.reload()
      orders = givenUp(run, 20_000)
      expect(run.nowMs).toBeLessThanOrEqual(endMs + 20_000)
    }
    expect(orders).toEqual(LOST)
    expect(run.nowMs).toBeGreaterThanOrEqual(endMs)
  })

  test('[R43] an engine that comes in time runs it', () => {
    const run = new RegistryRun()
    run.enqueue({ patienceMs: PATIENCE_MS })
    expect(givenUp(run, PATIENCE_MS - 1)).toEqual([])
    run.hello(1)
    expect(run.at(task)).toBe('offered 1')
  })

  test('[R43] one that brings the engine by a change of status as well', () => {
    const run = new RegistryRun()
    run.hello(1, { engines: [] })
    run.enqueue({ patienceMs: PATIENCE_MS })
    run.says(1, { type: 'agent.status', slots: 1, models_free_bytes: null, engines: aHello().engines })
    expect(run.at(task)).toBe('offered 1')
  })

  test('[R33] a thousand that wait for hours cost no more looks than their ends', () => {
    const run = new RegistryRun()
    const dispatch = aDispatch()
    for (let number = 1; number <= 1_000; number++) {
      run.enqueue({ ...dispatch, taskId: taskId('prepare', jobId(number)), patienceMs: PATIENCE_MS })
    }
    let wakes = 0
    const untilMs = run.nowMs + PATIENCE_MS - 1
    for (let wakeMs = run.nextWakeMs; wakeMs !== null && wakeMs <= untilMs; wakeMs = run.nextWakeMs) {
      run.wakeAfter(wakeMs - run.nowMs)
      wakes++
    }
    expect(wakes).toBeLessThanOrEqual(1 + PATIENCE_MS / OFFLINE_MS)
  })
})
