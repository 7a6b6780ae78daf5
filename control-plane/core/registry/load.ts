import type { Change } from '../machine.ts'
import type { Outstanding } from '../outbox.ts'
import type { Speed } from '../speed.ts'
import type { TrackedEffect } from './effects.ts'
import { enter, indexOrders, placeAgent } from './indexes.ts'
import { HELLO_MS } from './intervals.ts'
import type { Operation } from './operations.ts'
import type { Pongs } from './presence.ts'
import type { WaitingJob } from './state.ts'
import {
  type AgentRecord,
  emptyRegistry,
  type Granted,
  type OverFence,
  type Placement,
  type RegistryState,
} from './state.ts'

/**
 * The registry's state from its saved records, and what the load itself decided: the caller saves that at once.
 * `connected` are the sessions whose sockets are still open (they hibernated with the object).
 *
 * Each lease begins anew at full length, since its extensions were not saved, but only once: an object that sleeps
 * between two alarms would give a dead agent a new lease at each of them. Where it is known when
 * the agent was last heard of, a lease lasts from then: it had disconnected before, or its pings were answered in its
 * sleep (`pongs`). An agent whose socket is gone counts as disconnected at this moment, so
 * that a restart of the server is no outage of its agents.
 */
export function loadRegistry(
  records: readonly Change[],
  connected: ReadonlySet<string>,
  nowMs: number,
  leaseMs: number,
  pongs: Pongs | null = null,
): { readonly state: RegistryState; readonly changes: readonly Change[] } {
  const state = emptyRegistry()
  // Records are read back as Turn wrote them.
  const values = <Value>(kind: string) =>
    records.filter((record) => record.kind === kind).map((record) => record.value as Value)
  const tasks = values<Placement | OverFence>('task')
  const agents = values<AgentRecord>('agent').map((saved) => loadAgent(saved, connected, nowMs))
  const heardMs = new Map(
    values<AgentRecord>('agent').map((saved) => [saved.id, heard(saved, connected, pongs) ?? nowMs]),
  )
  const leaseEndMs = (saved: Placement) =>
    leaseMs + (saved.at === 'granted' ? (heardMs.get(saved.agentId) ?? nowMs) : nowMs)
  const placements = tasks
    .filter((task) => task.at !== 'over')
    .map((saved) => loadPlacement(saved, leaseEndMs(saved)))
  const over = tasks.filter((task) => task.at === 'over').sort((a, b) => a.endedAtMs - b.endedAtMs)
  for (const { value } of agents) state.agents.set(value.id, value)
  const byArrival = (a: Loaded<Placement>, b: Loaded<Placement>) =>
    a.value.dispatch.queuedAtMs - b.value.dispatch.queuedAtMs
  for (const { value } of placements.sort(byArrival)) enter(state, value)
  for (const { value } of agents) placeAgent(state, value)
  for (const [name, value] of values<[string, number][]>('counters').flat()) {
    state.counters.set(name, value)
  }
  for (const job of values<WaitingJob>('waiting')) state.waiting.set(job.jobId, job)
  for (const operation of values<Operation>('operation')) {
    state.operations.set(operation.id, operation)
    indexOrders(state, operation)
  }
  for (const { id, value } of records.filter(({ kind }) => kind === 'speed'))
    state.speeds.set(id, value as Speed)
  const greeted = new Set(agents.map(({ value }) => value.session?.id))
  for (const session of connected) if (!greeted.has(session)) state.greetings.set(session, nowMs + HELLO_MS)
  state.coverageCheckMs = state.queues.size === 0 ? null : nowMs
  state.reconsiderMs = state.waiting.size === 0 ? null : nowMs
  for (const fence of over) state.over.set(fence.taskId, fence)
  for (const saved of values<Outstanding<TrackedEffect>>('outbox')) state.outbox.restore(saved, nowMs)
  const changes = [
    ...agents.filter(({ isNew }) => isNew).map(({ value }) => ({ kind: 'agent', id: value.id, value })),
    ...placements
      .filter(({ isNew }) => isNew)
      .map(({ value }) => ({ kind: 'task', id: value.dispatch.taskId, value })),
  ]
  return { state, changes }
}

/** A loaded value, and whether it differs from what is saved. */
interface Loaded<Value> {
  readonly value: Value
  readonly isNew: boolean
}

function loadAgent(saved: AgentRecord, connected: ReadonlySet<string>, nowMs: number): Loaded<AgentRecord> {
  const agent = { ...saved, quietUntilMs: 0, missedAtMs: 0 }
  const isCut = agent.session !== null && !connected.has(agent.session.id)
  return isCut
    ? { value: { ...agent, session: null, lastSeenMs: nowMs }, isNew: true }
    : { value: agent, isNew: false }
}

/** When the agent was last heard of at the latest; null where that is not known. */
function heard(saved: AgentRecord, connected: ReadonlySet<string>, pongs: Pongs | null): number | null {
  const { id, session, lastSeenMs } = saved
  if (session === null) return lastSeenMs
  if (pongs === null || !connected.has(session.id)) return null
  return Math.max(lastSeenMs, pongs.get(id) ?? 0)
}

function loadPlacement(saved: Placement, leaseUntilMs: number): Loaded<Placement> {
  if (saved.at !== 'granted' || saved.restarted) return { value: saved, isNew: false }
  // Whether the agent had started was not saved: until it speaks the lease alone decides.
  const value: Granted = {
    ...saved,
    leaseUntilMs,
    startByMs: leaseUntilMs,
    runUntilMs: null,
    restarted: true,
  }
  return { value, isNew: true }
}
