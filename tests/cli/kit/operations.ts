import { AgentId, ModelId, OperationId } from '#protocol/ids.ts'
import type { ModelOperationView, OrderState } from '#protocol/model-order.ts'

/** Model operations as a server tells them. */
export const OPERATION = OperationId.parse(`op_${'0'.repeat(26)}`)
export const OPERATIONS = '/v1/models/operations'

export type Part = Partial<ModelOperationView['agents'][number]>

export function anOperation(state: ModelOperationView['state'], ...agents: Part[]): ModelOperationView {
  const all = agents.map((part, index) => ({
    agent_id: AgentId.parse(`agent_${String(index).padStart(26, '0')}`),
    name: `box-${index + 1}`,
    connected: true,
    state: 'pulling' as const,
    bytes_done: 0,
    bytes_total: 1_000_000_000,
    error: null,
    ...part,
  }))
  const sum = (of: (agent: (typeof all)[number]) => number | null) =>
    all.reduce((total, agent) => total + (of(agent) ?? 0), 0)
  return {
    id: OPERATION,
    action: 'pull',
    model_id: ModelId.parse('whisper-base'),
    state,
    created_at: '2026-01-01T00:00:00.000Z',
    bytes_done: sum(({ bytes_done }) => bytes_done),
    bytes_total: sum(({ bytes_total }) => bytes_total),
    counts: countsOf(all),
    agents: all,
  }
}

function countsOf(agents: readonly { readonly state: OrderState }[]): ModelOperationView['counts'] {
  const counts = { queued: 0, pulling: 0, verifying: 0, loading: 0, completed: 0, failed: 0, cancelled: 0 }
  for (const { state } of agents) counts[state]++
  return counts
}
