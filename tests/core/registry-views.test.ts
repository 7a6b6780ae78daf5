import { describe, expect, test } from 'vitest'
import { agentStatus, agentViews, engineViews } from '#core/registry/views.ts'
import { Pool } from '#protocol/ids.ts'
import { agentId, anEngine, jobId } from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'
import { task } from './kit/registry-states.ts'

/** The registry machine: start state → event → expected place, messages and orders. */
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
