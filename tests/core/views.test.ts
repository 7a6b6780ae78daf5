import { expect, test } from 'vitest'
import { agentViews, engineViews } from '#core/registry/views.ts'
import { Pool } from '#protocol/ids.ts'
import { agentId, anEngine } from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'

function told(run: RegistryRun, afterMs = 0) {
  const [agent] = agentViews(run.state, Pool.parse('default'), run.looking(afterMs))
  const engines = engineViews(run.state, run.looking(afterMs))
  return {
    agent: [agent?.status, agent?.why],
    engines: engines.map(({ engine_id, status, why }) => [engine_id, status, why]),
  }
}

test.each([
  {
    what: 'its own slots',
    slots: { agent: 2, prepare: 1 },
    prepare: ['busy', 'its slot is taken'],
    align: ['ready', null],
  },
  {
    what: 'those of its agent',
    slots: { agent: 1, prepare: 2 },
    prepare: ['busy', "its agent's slot is taken"],
    align: ['busy', "its agent's slot is taken"],
  },
])('[P52] an engine is busy when $what are taken', ({ slots, prepare, align }) => {
  const run = new RegistryRun()
  const engines = [anEngine({ slots: slots.prepare }), anEngine({ id: 'align', stages: ['align'], slots: 9 })]
  run.hello(1, { slots: slots.agent, engines })
  run.enqueue()
  expect(told(run).engines).toEqual([
    ['prepare', ...prepare],
    ['align', ...align],
  ])
})

test('[P52] why an engine gets no tasks is why its agent gets none', () => {
  const run = new RegistryRun()
  const parts = { engines: [anEngine()] }
  run.hello(1, parts)
  expect(told(run)).toEqual({ agent: ['online', null], engines: [['prepare', 'ready', null]] })
  const silent = 'not heard of for 41 s'
  expect(told(run, 41_000)).toEqual({
    agent: ['suspect', silent],
    engines: [['prepare', 'unhealthy', silent]],
  })
  expect(told(run, 61_000).agent).toEqual(['offline', 'not heard of for 61 s'])

  run.says(1, { type: 'agent.draining', reason: 'SIGTERM' })
  expect(told(run).engines).toEqual([['prepare', 'draining', 'draining (SIGTERM)']])
  run.tell({ type: 'cordon', agentId: agentId(), reason: 'new disk' })
  expect(told(run).agent).toEqual(['draining', 'drained by the operator (new disk), and leaving'])
  run.disconnect(1)
  expect(told(run).agent).toEqual([
    'offline',
    'not connected, it was draining (SIGTERM); drained by the operator (new disk)',
  ])
  run.hello(1, parts, 's2')
  expect(told(run).agent).toEqual(['draining', 'drained by the operator (new disk)'])
  run.tell({ type: 'cordon', agentId: agentId(), reason: null })
  expect(told(run).agent).toEqual(['online', null])
})
