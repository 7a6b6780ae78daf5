import type { AgentId, TaskId } from '#protocol/ids.ts'
import type { Change } from '../machine.ts'
import type { Outstanding } from '../outbox.ts'
import type { TrackedEffect } from './effects.ts'
import { LEASE_MS } from './intervals.ts'
import { type AgentRecord, classOf, emptyRegistry, type Placement, type RegistryState } from './state.ts'

/**
 * The registry's state from its saved records. Each lease restarts at full length, since extensions were not saved;
 * unanswered effects are due at once. `connected` are the sessions whose sockets are still open (they hibernated with
 * the object): an agent without one is offline until it returns.
 */
export function loadRegistry(
  records: readonly Change[],
  connected: ReadonlySet<string>,
  nowMs: number,
): RegistryState {
  const state = emptyRegistry()
  // Records are read back as Turn wrote them.
  for (const { kind, id, value } of records) {
    if (kind === 'agent') loadAgent(state, value as AgentRecord, connected)
    if (kind === 'task') loadPlacement(state, value as Placement, nowMs)
    if (kind === 'outbox') state.outbox.set(id, { ...(value as Outstanding<TrackedEffect>), dueMs: nowMs })
  }
  return state
}

function loadAgent(state: RegistryState, agent: AgentRecord, connected: ReadonlySet<string>): void {
  const isConnected = agent.session !== null && connected.has(agent.session.id)
  state.agents.set(agent.id, { ...agent, quietUntilMs: 0, session: isConnected ? agent.session : null })
}

function loadPlacement(state: RegistryState, saved: Placement, nowMs: number): void {
  const { taskId } = saved.dispatch
  // Whether the agent had started was not saved: the lease alone decides.
  const placement: Placement =
    saved.at === 'granted' ? { ...saved, leaseUntilMs: nowMs + LEASE_MS, startByMs: null } : saved
  state.placements.set(taskId, placement)
  if (placement.at === 'queued') into(state.queues, classOf(placement.dispatch), taskId)
  else into<AgentId>(state.held, placement.agentId, taskId)
}

function into<Key>(index: Map<Key, Set<TaskId>>, key: Key, taskId: TaskId): void {
  index.set(key, (index.get(key) ?? new Set<TaskId>()).add(taskId))
}
