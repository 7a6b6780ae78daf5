import type { AgentId, OperationId } from '#protocol/ids.ts'
import type { ModelOperationView, OrderProgress } from '#protocol/model-order.ts'
import { bytesTotal, keptSums, stateOf } from './operation-sums.ts'
import type { Operation } from './operations.ts'
import type { RegistryState } from './state.ts'

/** So many agents are told one by one: a view is sent every second to whoever watches, and a fleet has thousands. */
const MOST_AGENTS = 100

/** An operation as API and console see it: all agents as one, and one by one. Pure; null for one that is not there. */
export function operationView(state: RegistryState, id: OperationId): ModelOperationView | null {
  const operation = state.operations.get(id)
  if (operation === undefined) return null
  const sums = keptSums(state, operation)
  return {
    id: operation.id,
    action: operation.action,
    model_id: operation.modelId,
    state: stateOf(sums),
    created_at: new Date(operation.createdAtMs).toISOString(),
    bytes_done: sums.bytesDone,
    bytes_total: bytesTotal(sums),
    counts: sums.counts,
    agents: listed(operation).map(([agentId, progress]) => {
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

type Order = readonly [AgentId, OrderProgress]

/** All of them; of too many those that failed, then those under way, then those that wait. */
function listed({ orders }: Operation): readonly Order[] {
  // The keys of an operation's orders are the ids of its agents.
  const all = Object.entries(orders) as [AgentId, OrderProgress][]
  if (all.length <= MOST_AGENTS) return all
  const groups: readonly Order[][] = [[], [], [], []]
  for (const order of all) {
    const group = groups[urgency(order[1])]
    if (group !== undefined && group.length < MOST_AGENTS) group.push(order)
  }
  return groups.flat().slice(0, MOST_AGENTS)
}

function urgency({ state }: OrderProgress): number {
  if (state === 'failed') return 0
  if (state === 'completed' || state === 'cancelled') return 3
  return state === 'queued' ? 2 : 1
}
