import type { AgentId, OperationId, TaskId } from '#protocol/ids.ts'
import type { Dispatch } from '../dispatch.ts'
import { earliest } from '../outbox.ts'
import { expectation } from '../speed.ts'
import { FairQueue } from './fair-queue.ts'
import type { Waiting } from './lines.ts'
import { isFinal, type Operation } from './operations.ts'
import { type AgentRecord, classOf, heldOf, type Placement, type RegistryState } from './state.ts'

/** Keeps queues, held, kinds and deadlines in step with where tasks are. Called by Turn and by a load, nobody else. */

/** Puts a placement into the state and its indexes; it must stand in none of them before. */
export function enter(state: RegistryState, placement: Placement, end: 'front' | 'back' = 'back'): void {
  const { taskId } = placement.dispatch
  state.placements.set(taskId, placement)
  state.deadlines.set(taskId, dueMs(placement))
  if (placement.at !== 'queued') {
    const held = state.held.get(placement.agentId) ?? new Set()
    state.held.set(placement.agentId, held.add(taskId))
    reindex(state, placement.agentId)
    return
  }
  const key = classOf(placement.dispatch)
  const queue = state.queues.get(key) ?? new FairQueue(placement.dispatch.requirements)
  state.queues.set(key, queue)
  const waiting = waitingOf(placement.dispatch)
  if (end === 'front') queue.unshift(waiting)
  else queue.push(waiting)
}

/** Takes a task out of the indexes; the placement itself stays until it is replaced or deleted. */
export function leave(state: RegistryState, taskId: TaskId): void {
  const placement = state.placements.get(taskId)
  if (placement === undefined) return
  state.deadlines.set(taskId, null)
  if (placement.at === 'queued') {
    const key = classOf(placement.dispatch)
    const queue = state.queues.get(key)
    queue?.remove(taskId)
    if (queue?.size === 0) {
      state.queues.delete(key)
      state.uncovered.delete(key)
      if (state.queues.size === 0) state.coverageCheckMs = null
    }
    return
  }
  const held = state.held.get(placement.agentId)
  held?.delete(taskId)
  if (held?.size === 0) state.held.delete(placement.agentId)
  reindex(state, placement.agentId)
}

export function placeAgent(state: RegistryState, agent: AgentRecord): void {
  state.kinds.place(agent, (engineId) => heldOf(state, agent.id, engineId))
  state.deadlines.set(agent.id, agent.session !== null && agent.quietUntilMs > 0 ? agent.quietUntilMs : null)
}

/** When something must happen to a task by itself. */
export function dueMs(placement: Placement): number | null {
  if (placement.at === 'queued') return null
  if (placement.at === 'offered') return placement.expiresAtMs
  return earliest([placement.leaseUntilMs, placement.startByMs, placement.runUntilMs])
}

/**
 * How much work a task counts for in the fair share of its key: what such a stage usually takes. A measure, not a
 * forecast: it must be the same when an offer in vain is refunded.
 */
export function workOf({ stage, workSeconds }: Dispatch): number {
  return expectation(stage, null, workSeconds).ms
}

/** The constant cost of any task, and what a second of audio is taken to cost, whatever the stage. */
const TASK_MS = 1_000
const WORK_MS_A_SECOND = 100

/** Short is who has a short recording: by stages the quick ones of a backlog would all go before its slow ones. */
function waitingOf({ taskId, share, priority, jobCreatedAtMs, workSeconds }: Dispatch): Waiting {
  return {
    taskId,
    share,
    priority,
    queuedAtMs: jobCreatedAtMs,
    workMs: TASK_MS + workSeconds * WORK_MS_A_SECOND,
  }
}

function reindex(state: RegistryState, agentId: AgentRecord['id']): void {
  const agent = state.agents.get(agentId)
  if (agent !== undefined) placeAgent(state, agent)
}

/** Which orders of an operation are open still, by agent. */
export function indexOrders(state: RegistryState, { id, orders }: Operation): void {
  for (const [agent, progress] of Object.entries(orders)) {
    // The keys of an operation's orders are the ids of its agents.
    const agentId = agent as AgentId
    const open = state.openOrders.get(agentId) ?? new Set<OperationId>()
    if (isFinal(progress)) open.delete(id)
    else open.add(id)
    if (open.size === 0) state.openOrders.delete(agentId)
    else state.openOrders.set(agentId, open)
  }
}
