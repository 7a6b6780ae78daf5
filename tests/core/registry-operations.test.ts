import { describe, expect, test } from 'vitest'
import { modelViews } from '#core/registry/model-views.ts'
import { operationView } from '#core/registry/operation-view.ts'
import { type NewOperation, orderable } from '#core/registry/operations.ts'
import { engineViews } from '#core/registry/views.ts'
import { ModelId, OperationId, TenantId } from '#protocol/ids.ts'
import { AgentLabel, type OrderProgress } from '#protocol/model-order.ts'
import { agentId, aModel, anEngine } from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'

/** What operators ask of the models on agents. */
const WHISPER = ModelId.parse('whisper-base')
const idOf = (number: number) => OperationId.parse(`op_${String(number).padStart(26, '0')}`)
const label = (name: string) => AgentLabel.parse(name)

function aPull(number = 1, parts: Partial<NewOperation> = {}): NewOperation {
  return {
    id: idOf(number),
    tenantId: TenantId.parse('default'),
    action: 'pull',
    modelId: WHISPER,
    entry: null,
    keepAliveSeconds: null,
    ...parts,
  }
}

/** Agents 1 and 2 are connected and were told to pull. */
function pulling(): RegistryRun {
  const run = new RegistryRun()
  run.hello(1)
  run.hello(2)
  begin(run, 1, 2)
  return run
}

function begin(run: RegistryRun, ...agents: number[]): void {
  run.tell({ type: 'operation.begin', operation: aPull(), agentIds: agents.map((number) => agentId(number)) })
}

function say(run: RegistryRun, agent: number, parts: Partial<OrderProgress>, modelId = WHISPER): void {
  const progress = { state: 'pulling', bytes_done: 0, bytes_total: null, error: null, ...parts } as const
  run.says(agent, { type: 'model.progress', operation_id: idOf(1), model_id: modelId, progress })
}

const DISK_FULL = { code: 'disk_full', message: 'There is no room.', retryable: false } as const
const view = (run: RegistryRun) => operationView(run.state, idOf(1))

describe('orders', () => {
  test('[MO1] each agent is told at once, and again at each hello until its final state came', () => {
    const run = new RegistryRun()
    run.hello(1)
    run.hello(2)
    begin(run, 1, 2)
    expect(run.said).toEqual(['model.order → 1', 'model.order → 2'])
    run.hello(1, {}, 's1b')
    expect(run.said).toContain('model.order → 1')
    say(run, 2, { state: 'completed' })
    run.hello(2, {}, 's2b')
    expect(run.said).toEqual(['agent.welcome → 2'])
  })

  test('[MO1] one that was begun twice is one', () => {
    const run = pulling()
    begin(run, 1, 2)
    expect(run.effects).toEqual([])
  })

  test('[MO2] it is over when each agent is, completed when all are', () => {
    const run = pulling()
    say(run, 1, { state: 'completed', bytes_done: 5, bytes_total: 5 })
    expect(view(run)).toMatchObject({ state: 'running', bytes_done: 5, bytes_total: null })
    say(run, 2, { state: 'completed', bytes_done: 7, bytes_total: 7 })
    expect(view(run)).toMatchObject({ state: 'completed', bytes_done: 12, bytes_total: 12 })
  })

  test('[MO2] it failed when one did, and says where and why', () => {
    const run = pulling()
    say(run, 1, { state: 'failed', error: DISK_FULL })
    expect(view(run)).toMatchObject({ state: 'running' })
    say(run, 2, { state: 'completed' })
    expect(view(run)).toMatchObject({ state: 'failed', agents: [{ error: DISK_FULL }, { error: null }] })
  })

  const late: [string, (run: RegistryRun) => void][] = [
    ['after the end', (run) => say(run, 1, { state: 'pulling', bytes_done: 1 })],
    ['of another model', (run) => say(run, 2, { state: 'completed' }, ModelId.parse('other'))],
    ['of an agent that was not asked', (run) => say(run, 3, { state: 'completed' })],
  ]
  test.each(late)('[MO3] a word %s changes nothing', (_name, tell) => {
    const run = pulling()
    run.hello(3)
    say(run, 1, { state: 'completed' })
    const [before, { written }] = [view(run), run.records]
    tell(run)
    expect([view(run), run.records.written, run.effects]).toEqual([before, written, []])
  })

  test('[MO4] operations and final states outlive an eviction; how far an agent is, it says again', () => {
    const run = pulling()
    say(run, 1, { state: 'completed', bytes_done: 5, bytes_total: 5 })
    const { written } = run.records
    say(run, 2, { bytes_done: 3, bytes_total: 5 })
    expect(run.records.written).toBe(written)
    run.reload('s1', 's2')
    expect(view(run)?.agents.map(({ state }) => state)).toEqual(['completed', 'queued'])
    run.hello(2, {}, 's2b')
    expect(run.said).toContain('model.order → 2')
  })

  test('[MO5] an agent that is removed ends its part as failed', () => {
    const run = pulling()
    say(run, 1, { state: 'completed' })
    run.tell({ type: 'revoke', agentId: agentId(2) })
    expect(view(run)).toMatchObject({ state: 'failed', agents: [{}, { error: { code: 'agent_removed' } }] })
  })

  test('[MO5] an agent that is away keeps its part for when it is back', () => {
    const run = pulling()
    run.disconnect(2)
    expect(view(run)?.agents.map(({ connected }) => connected)).toEqual([true, false])
    run.hello(2, {}, 's2b')
    expect(run.said).toContain('model.order → 2')
  })

  test('[MO8] of operations that are over the newest hundred are kept', () => {
    const run = new RegistryRun()
    run.hello(1)
    for (let number = 1; number <= 103; number++) {
      run.nowMs += 1
      run.tell({ type: 'operation.begin', operation: aPull(number), agentIds: [agentId(1)] })
      run.says(1, {
        type: 'model.progress',
        operation_id: idOf(number),
        model_id: WHISPER,
        progress: { state: 'completed', bytes_done: 0, bytes_total: 0, error: null },
      })
    }
    expect(run.state.operations.size).toBe(101)
    expect(run.state.operations.has(idOf(2))).toBe(false)
    expect(run.state.openOrders.size).toBe(0)
  })
})

describe('targets', () => {
  const run = new RegistryRun()
  run.hello(1, { labels: [label('gpu')] })
  run.hello(2)
  run.hello(3, { labels: [label('gpu')] })
  const own = [agentId(1), agentId(2)]
  const numbers = (asked: ReturnType<typeof orderable>) =>
    asked.ok ? asked.agentIds.map((id) => Number(id.slice(6))) : asked.reason

  test('[MO6] one agent, those of a label, or all: of those that the caller may name', () => {
    expect(numbers(orderable(run.state, { kind: 'fleet' }, own, 16))).toEqual([1, 2])
    expect(numbers(orderable(run.state, { kind: 'label', label: label('gpu') }, own, 16))).toEqual([1])
    expect(numbers(orderable(run.state, { kind: 'agent', agent_id: agentId(2) }, own, 16))).toEqual([2])
    expect(numbers(orderable(run.state, { kind: 'agent', agent_id: agentId(3) }, own, 16))).toBe('none')
  })

  test('[MO6] an agent with as many orders as may wait gets no other', () => {
    const full = pulling()
    expect(orderable(full.state, { kind: 'fleet' }, own, 1)).toEqual({
      ok: false,
      reason: 'full',
      agents: ['box-1', 'box-2'],
    })
    say(full, 1, { state: 'completed' })
    expect(orderable(full.state, { kind: 'agent', agent_id: agentId(1) }, own, 1)).toMatchObject({ ok: true })
  })
})

test('[MO9] models that only agents know are told with those of the catalog, and who has them', () => {
  const run = new RegistryRun()
  const engine = (pinned: boolean) =>
    anEngine({ id: 'ctc', stages: ['transcribe'], needsModel: true, models: [aModel('own', { pinned })] })
  run.hello(1, { engines: [engine(true)] })
  run.hello(2, { engines: [engine(false)] })
  expect(modelViews([], engineViews(run.state, run.looking()))).toMatchObject([
    { id: 'own', engine: 'ctc', available_on: [agentId(1), agentId(2)], pinned_on: [agentId(1)], files: [] },
  ])
})
