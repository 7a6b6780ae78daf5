import { describe, expect, test } from 'vitest'
import { agentViews } from '#core/registry/views.ts'
import { Pool } from '#protocol/ids.ts'
import { agentId, aHello, jobId, taskId } from './kit/builders.ts'
import type { RegistryRun } from './kit/registry-run.ts'
import { grant, granted, running, task } from './kit/registry-states.ts'

/** What an operator does to agents: out of service and back, asked to leave, shut out. */
const second = taskId('prepare', jobId(2))

function cordon(run: RegistryRun, reason: string | null): void {
  run.tell({ type: 'cordon', agentId: agentId(), reason })
}

/** Agent 1 runs one task and was offered a second one. */
function busy(): RegistryRun {
  const run = running()
  run.enqueue({ jobId: jobId(2) })
  return run
}

describe('cordon', () => {
  test('[R44] it gets no more tasks, and what it was only offered goes to others; what it runs goes on', () => {
    const run = busy()
    expect(run.at(second)).toBe('offered 1')
    cordon(run, 'new disk')
    expect([run.at(task), run.at(second)]).toEqual(['granted 1', 'queued'])
    run.hello(2)
    expect(run.at(second)).toBe('offered 2')
    run.extend(1, task)
    expect(run.said).toEqual(['lease.extended → 1'])
  })

  test('[R44] it stays so over a reconnect, a change of status and an eviction, until the operator says otherwise', () => {
    const run = busy()
    cordon(run, 'new disk')
    run.disconnect(1)
    run.hello(1, { running: [grant] }, 's1b')
    run.reload('s1b')
    run.says(1, { type: 'agent.status', slots: 8, models_free_bytes: null, engines: aHello().engines }, 's1b')
    expect(run.at(second)).toBe('queued')
    expect(agentViews(run.state, Pool.parse('default'), run.looking())).toMatchObject([
      { status: 'draining' },
    ])
    cordon(run, null)
    expect(run.at(second)).toBe('offered 1')
  })

  test('[R44] told twice, of nobody, or of one that is not there: nothing more happens', () => {
    const run = busy()
    cordon(run, 'new disk')
    const { written } = run.records
    cordon(run, 'new disk')
    run.tell({ type: 'cordon', agentId: agentId(7), reason: 'who' })
    expect([run.effects, run.records.written]).toEqual([[], written])
  })
})

test('[R45] an agent that is dismissed is asked to finish and leave, and gets nothing meanwhile', () => {
  const run = busy()
  run.tell({ type: 'dismiss', agentId: agentId(), reason: 'the box is sold' })
  expect(run.sent).toMatchObject([{ message: { type: 'agent.drain', reason: 'the box is sold' } }])
  expect([run.at(task), run.at(second)]).toEqual(['granted 1', 'queued'])
})

describe('revoke', () => {
  test('[R46] the socket is cut with 4001; what it held is lost, uncounted; what it was offered waits; it is forgotten', () => {
    const run = busy()
    run.tell({ type: 'revoke', agentId: agentId() })
    expect(run.effects).toContainEqual(
      expect.objectContaining({ type: 'close', sessionId: 's1', code: 4001 }),
    )
    expect(run.effects).toContainEqual(
      expect.objectContaining({
        effect: expect.objectContaining({ type: 'job.lost', taskId: task, counted: false }),
      }),
    )
    expect([run.at(task), run.at(second)]).toEqual(['over', 'queued'])
    expect(run.state.agents.size).toBe(0)
    expect(run.records.read().filter(({ kind }) => kind === 'agent')).toEqual([])
  })

  test('[R46] its late frames change nothing, and revoking it again neither', () => {
    const run = granted()
    run.tell({ type: 'revoke', agentId: agentId() })
    run.start(1, task)
    expect([run.effects, run.at(task)]).toEqual([[], 'over'])
    run.disconnect(1)
    run.tell({ type: 'revoke', agentId: agentId() })
    expect(run.effects).toEqual([])
  })
})

describe('the limit of a run', () => {
  const LIMIT_MS = 600_000
  const extendFor = (run: RegistryRun, ms: number) => {
    for (let left = ms; left > 0; left -= 10_000) {
      run.extend(1, task)
      run.wakeAfter(Math.min(left, 10_000), 1)
    }
  }

  test('[R47] the agent is told it with the grant', () => {
    expect(granted().sent).toMatchObject([{ message: { type: 'task.granted', run_limit_ms: LIMIT_MS } }])
  })

  test('[R47] a run that goes on a minute beyond it is given up, counted, however well it extends its lease', () => {
    const run = running()
    extendFor(run, LIMIT_MS + 60_000 - 1)
    expect(run.at(task)).toBe('granted 1')
    run.wakeAfter(1, 1)
    expect(run.at(task)).toBe('over')
    expect(run.said).toEqual(['task.cancel → 1'])
    expect(run.effects).toContainEqual(
      expect.objectContaining({
        effect: expect.objectContaining({
          type: 'job.lost',
          counted: true,
          error: { code: 'run_limit', message: 'it ran for more than 600 s', retryable: true },
        }),
      }),
    )
  })

  test('[R47] it counts from the start, not from the grant; after an eviction from the first word', () => {
    const run = granted()
    run.wakeAfter(14_000, 1)
    run.start(1, task)
    extendFor(run, LIMIT_MS + 59_000)
    expect(run.at(task)).toBe('granted 1')
    run.reload('s1')
    extendFor(run, LIMIT_MS + 59_000)
    expect(run.at(task)).toBe('granted 1')
    extendFor(run, 2_000)
    expect(run.at(task)).toBe('over')
  })
})
