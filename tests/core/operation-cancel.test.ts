import { describe, expect, test } from 'vitest'
import { operationView } from '#core/registry/operation-view.ts'
import { ModelId, OperationId, TenantId } from '#protocol/ids.ts'
import type { OrderProgress } from '#protocol/model-order.ts'
import { agentId } from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'

/** An operation that nobody wants any more. */
const ID = OperationId.parse(`op_${'0'.repeat(26)}`)
const WHISPER = ModelId.parse('whisper-base')
const PULL = {
  id: ID,
  tenantId: TenantId.parse('default'),
  action: 'pull',
  modelId: WHISPER,
  entry: null,
  keepAliveSeconds: null,
} as const

/** Agents 1, 2 and 3 were told to pull: the first is done, the second is on its way, the third is away. */
function pulling(): RegistryRun {
  const run = new RegistryRun()
  for (const number of [1, 2, 3]) run.hello(number)
  run.tell({ type: 'operation.begin', operation: PULL, agentIds: [1, 2, 3].map((one) => agentId(one)) })
  say(run, 1, { state: 'completed', bytes_done: 5, bytes_total: 5 })
  say(run, 2, { bytes_done: 2, bytes_total: 5 })
  run.disconnect(3)
  return run
}

function say(run: RegistryRun, agent: number, parts: Partial<OrderProgress>): void {
  const progress = { state: 'pulling', bytes_done: 0, bytes_total: null, error: null, ...parts } as const
  run.says(agent, { type: 'model.progress', operation_id: ID, model_id: WHISPER, progress })
}

const cancel = (run: RegistryRun) => run.tell({ type: 'operation.cancel', operationId: ID })
const view = (run: RegistryRun) => operationView(run.state, ID)
const states = (run: RegistryRun) => view(run)?.agents.map(({ state }) => state)

describe('a cancelled operation', () => {
  test('[MO11] is over at once: what was done stays so, the rest is cancelled, and agents are told', () => {
    const run = pulling()
    cancel(run)
    expect(states(run)).toEqual(['completed', 'cancelled', 'cancelled'])
    expect(view(run)).toMatchObject({ state: 'cancelled', bytes_done: 5, bytes_total: 5 })
    expect(run.said).toEqual(['model.cancel → 2', 'model.cancel → 3'])
    expect(run.effects).toContainEqual({ type: 'operation.changed', operationId: ID, isOver: true })
    expect(run.state.openOrders.size).toBe(0)
  })

  test('[MO11] is one record, however many agents there are, and outlives an eviction', () => {
    const run = pulling()
    const { written } = run.records
    cancel(run)
    expect(run.records.written - written).toBe(1)
    const before = view(run)
    run.reload('s1', 's2')
    expect(view(run)?.agents.map(({ connected: _, ...rest }) => rest)).toEqual(
      before?.agents.map(({ connected: _, ...rest }) => rest),
    )
    run.wakeAfter(0)
    run.hello(3, {}, 's3b')
    expect(run.said).toEqual(['agent.welcome → 3'])
  })

  test('[MO11] an agent that goes on all the same, away or not told, is told again', () => {
    const run = pulling()
    cancel(run)
    run.hello(3, {}, 's3b')
    const { written } = run.records
    run.says(3, progressOf('pulling'), 's3b')
    expect([run.said, run.records.written]).toEqual([['model.cancel → 3'], written])
    run.says(3, progressOf('cancelled'), 's3b')
    run.says(2, progressOf('completed'))
    expect([run.effects, states(run)]).toEqual([[], ['completed', 'cancelled', 'cancelled']])
  })

  test('[MO11] cancelled twice, or after its end, or never begun: nothing changes', () => {
    const run = pulling()
    cancel(run)
    cancel(run)
    expect([run.effects, run.said]).toEqual([[], []])
    const done = pulling()
    say(done, 2, { state: 'completed' })
    say(done, 3, { state: 'failed' })
    done.hello(3)
    say(done, 3, { state: 'failed' })
    const before = view(done)
    cancel(done)
    expect([done.effects, view(done)]).toEqual([[], before])
    const empty = new RegistryRun()
    cancel(empty)
    expect(empty.effects).toEqual([])
  })
})

function progressOf(state: OrderProgress['state']) {
  const progress = { state, bytes_done: 0, bytes_total: null, error: null }
  return { type: 'model.progress', operation_id: ID, model_id: WHISPER, progress } as const
}
