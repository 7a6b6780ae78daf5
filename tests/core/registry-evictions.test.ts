import { describe, expect, test } from 'vitest'
import { presentEngines } from '#core/registry/presence.ts'
import { DEFAULTS } from '#core/settings.ts'
import { agentId, EVERYTHING, jobId, taskId } from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'
import { granted, running, task } from './kit/registry-states.ts'

const { leaseMs: LEASE_MS } = DEFAULTS

/** The registry machine: start state → event → expected place, messages and orders. */
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

  test('[R28] one that had disconnected before gets none at all', () => {
    const run = running()
    run.tell({ type: 'agent.disconnected', agentId: agentId(), sessionId: 's1' })
    run.nowMs += 20_000
    run.reload()
    run.wakeAfter(9_999)
    expect(run.at(task)).toBe('granted 1')
    run.wakeAfter(1)
    expect(run.at(task)).toBe('over')
  })

  test('[R28] nor does one that has fallen silent, though its socket is open', () => {
    const run = running()
    run.pongs.set(agentId(), run.nowMs)
    run.nowMs += LEASE_MS - 1
    run.reload('s1')
    run.wakeAfter(0)
    expect(run.at(task)).toBe('granted 1')
    run.wakeAfter(1)
    expect(run.at(task)).toBe('over')
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
    const run = running()
    run.wakeAfter(LEASE_MS)
    run.reload()
    expect(run.nextWakeMs).toBe(run.nowMs)
    run.wakeAfter(0)
    expect(run.orders).toEqual([`lost:${task}:1`])
  })

  test('[R30] a start costs no row: the next word of the agent tells it again', () => {
    const run = granted()
    const { written } = run.records
    run.start(1, task)
    expect(run.orders).toEqual([`started:${task}:1`])
    expect(run.records.written).toBe(written)
    run.reload('s1')
    run.extend(1, task)
    expect(run.orders).toEqual([`started:${task}:1`])
  })
})
