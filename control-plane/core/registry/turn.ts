import type { ServerMessage } from '#protocol/agent-messages.ts'
import type { AgentId, TaskId } from '#protocol/ids.ts'
import type { Change } from '../machine.ts'
import type { Outstanding } from '../outbox.ts'
import type { RegistryEffect, TrackedEffect } from './effects.ts'
import { type AgentRecord, classOf, type Placement, type RegistryState } from './state.ts'

/** An agent may hold artifacts of this many recent jobs before the oldest is forgotten. */
const REMEMBERED_JOBS = 1_000
const FIRST_RETRY_MS = 2_000

/**
 * One step of the registry while it is being decided. It is the only writer of the state, so that the indexes (queues,
 * held) always agree with the placements, and every durable change is noted.
 */
export class Turn {
  readonly state: RegistryState
  readonly nowMs: number
  readonly effects: RegistryEffect[] = []
  readonly changes: Change[] = []

  constructor(state: RegistryState, nowMs: number) {
    this.state = state
    this.nowMs = nowMs
  }

  saveAgent(agent: AgentRecord): void {
    this.state.agents.set(agent.id, agent)
    this.changes.push({ kind: 'agent', id: agent.id, value: agent })
  }

  /** For what lives in memory only. */
  touchAgent(agent: AgentRecord): void {
    this.state.agents.set(agent.id, agent)
  }

  /** Put a task at the end of its queue. An offer that failed does not write again: at wake it is queued as well. */
  queue(placement: Placement, durable: boolean): void {
    const { dispatch } = placement
    this.#unindex(dispatch.taskId)
    this.#index({ dispatch, at: 'queued' })
    if (durable) this.#save({ dispatch, at: 'queued' })
  }

  offer(placement: Extract<Placement, { at: 'offered' }>): void {
    this.#unindex(placement.dispatch.taskId)
    this.#index(placement)
  }

  grant(placement: Extract<Placement, { at: 'granted' }>): void {
    this.#unindex(placement.dispatch.taskId)
    this.#index(placement)
    this.#save(placement)
  }

  /** A lease or a counter moved on: memory only. */
  touch(placement: Placement): void {
    this.state.placements.set(placement.dispatch.taskId, placement)
  }

  drop(taskId: TaskId): void {
    this.#unindex(taskId)
    this.state.placements.delete(taskId)
    this.changes.push({ kind: 'task', id: taskId, value: null })
  }

  order(id: string, effect: TrackedEffect): void {
    if (this.state.outbox.has(id)) return
    const outstanding: Outstanding<TrackedEffect> = {
      id,
      effect,
      tries: 1,
      dueMs: this.nowMs + FIRST_RETRY_MS,
    }
    this.state.outbox.set(id, outstanding)
    this.changes.push({ kind: 'outbox', id, value: outstanding })
    this.effects.push({ type: 'tracked', id, effect })
  }

  answered(id: string): void {
    if (this.state.outbox.delete(id)) this.changes.push({ kind: 'outbox', id, value: null })
  }

  send(agentId: AgentId, message: ServerMessage): void {
    this.effects.push({ type: 'send', agentId, message })
  }

  count(name: string): void {
    this.state.counters.set(name, (this.state.counters.get(name) ?? 0) + 1)
  }

  remember(placement: Placement, agentId: AgentId): void {
    const { lastAgent } = this.state
    lastAgent.delete(placement.dispatch.jobId)
    lastAgent.set(placement.dispatch.jobId, agentId)
    const oldest = lastAgent.keys().next()
    if (lastAgent.size > REMEMBERED_JOBS && oldest.done !== true) lastAgent.delete(oldest.value)
  }

  #save(placement: Placement): void {
    this.changes.push({ kind: 'task', id: placement.dispatch.taskId, value: placement })
  }

  #index(placement: Placement): void {
    const { taskId } = placement.dispatch
    this.state.placements.set(taskId, placement)
    if (placement.at === 'queued') add(this.state.queues, classOf(placement.dispatch), taskId)
    else add(this.state.held, placement.agentId, taskId)
  }

  #unindex(taskId: TaskId): void {
    const placement = this.state.placements.get(taskId)
    if (placement === undefined) return
    if (placement.at === 'queued') remove(this.state.queues, classOf(placement.dispatch), taskId)
    else remove(this.state.held, placement.agentId, taskId)
  }
}

function add<Key>(index: Map<Key, Set<TaskId>>, key: Key, taskId: TaskId): void {
  const members = index.get(key)
  if (members === undefined) index.set(key, new Set([taskId]))
  else members.add(taskId)
}

function remove<Key>(index: Map<Key, Set<TaskId>>, key: Key, taskId: TaskId): void {
  const members = index.get(key)
  members?.delete(taskId)
  if (members?.size === 0) index.delete(key)
}
