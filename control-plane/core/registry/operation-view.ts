import type { AgentId, OperationId } from '#protocol/ids.ts'
import type { ModelOperationView } from '#protocol/model-order.ts'
import { type Operation, operationState } from './operations.ts'
import type { RegistryState } from './state.ts'

/** An operation as API and console see it: all agents as one, and one by one. Pure; null for one that is not there. */
export function operationView(state: RegistryState, id: OperationId): ModelOperationView | null {
  const operation = state.operations.get(id)
  return operation === undefined ? null : viewOf(state, operation)
}

function viewOf(state: RegistryState, operation: Operation): ModelOperationView {
  const orders = Object.entries(operation.orders)
  const totals = orders.map(([, { bytes_total }]) => bytes_total)
  return {
    id: operation.id,
    action: operation.action,
    model_id: operation.modelId,
    state: operationState(operation),
    created_at: new Date(operation.createdAtMs).toISOString(),
    bytes_done: orders.reduce((sum, [, { bytes_done }]) => sum + bytes_done, 0),
    bytes_total: totals.reduce<number | null>(
      (sum, total) => (sum === null || total === null ? null : sum + total),
      0,
    ),
    agents: orders.map(([id, progress]) => {
      // The keys of an operation's orders are the ids of its agents.
      const agentId = id as AgentId
      const agent = state.agents.get(agentId)
      return {
        ...progress,
        agent_id: agentId,
        name: agent?.name ?? agentId,
        connected: agent !== undefined && agent.session !== null,
      }
    }),
  }
}
