import type { ServerMessage } from '#protocol/agent-messages.ts'
import type { AgentId, TaskId } from '#protocol/ids.ts'
import type { Dispatch } from '../dispatch.ts'
import type { Change } from '../machine.ts'
import { answered, post, takeDue } from '../outbox.ts'
import type { RegistryEffect, TrackedEffect } from './effects.ts'
import {
  type AgentRecord,
  classOf,
  type Granted,
  type Offered,
  type OverFence,
  type Placement,
  type RegistryState,
} from './state.ts'

/** An agent may hold artifacts of this many recent jobs before the oldest is forgotten. */
const REMEMBERED_JOBS = 1_000

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

  forgetAgent(agentId: AgentId): void {
    this.state.agents.delete(agentId)
    this.changes.push({ kind: 'agent', id: agentId, value: null })
  }

  /** A task that arrived: at the end of its queue, and kept. */
  queue(dispatch: Dispatch): void {
    this.state.over.delete(dispatch.taskId)
    this.requeue(dispatch)
    this.#save({ dispatch, at: 'queued' })
  }

  /** After an offer that came to nothing. No row is written: offers are not kept, so on disk it is queued still. */
  requeue(dispatch: Dispatch): void {
    this.#place({ dispatch, at: 'queued' })
  }

  offer(placement: Offered): void {
    this.#place(placement)
  }

  grant(placement: Granted): void {
    this.#place(placement)
    this.#save(placement)
  }

  /** A lease or a counter moved on: memory only. */
  touch(placement: Granted): void {
    this.state.placements.set(placement.dispatch.taskId, placement)
  }

  /** This fence, and every lower one, is over here. Its start needs no answer any more. */
  end(taskId: TaskId, fence: number): void {
    this.#unindex(taskId)
    this.state.placements.delete(taskId)
    this.answered(startedId(taskId, fence))
    const over: OverFence = { at: 'over', taskId, fence, endedAtMs: this.nowMs }
    // Deleted first, so that the map stays in the order of time.
    this.state.over.delete(taskId)
    this.state.over.set(taskId, over)
    this.changes.push({ kind: 'task', id: taskId, value: over })
  }

  forgetOver(taskId: TaskId): void {
    this.state.over.delete(taskId)
    this.changes.push({ kind: 'task', id: taskId, value: null })
  }

  order(id: string, effect: TrackedEffect): void {
    if (this.state.outbox.has(id)) return
    this.state.outbox = post(this.state.outbox, id, effect, this.nowMs)
    this.changes.push({ kind: 'outbox', id, value: this.state.outbox.get(id) })
    this.effects.push({ type: 'tracked', id, effect })
  }

  answered(id: string): void {
    if (!this.state.outbox.has(id)) return
    this.state.outbox = answered(this.state.outbox, id)
    this.changes.push({ kind: 'outbox', id, value: null })
  }

  /** Perform again what is unanswered and due. When it is due next lives in memory only: no row is written for it. */
  repeatDue(): void {
    const { outbox, due } = takeDue(this.state.outbox, this.nowMs)
    this.state.outbox = outbox
    for (const { id, effect } of due) this.effects.push({ type: 'tracked', id, effect })
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

  #place(placement: Placement): void {
    this.#unindex(placement.dispatch.taskId)
    index(this.state, placement)
  }

  #unindex(taskId: TaskId): void {
    const placement = this.state.placements.get(taskId)
    if (placement === undefined) return
    if (placement.at === 'queued') remove(this.state.queues, classOf(placement.dispatch), taskId)
    else remove(this.state.held, placement.agentId, taskId)
  }
}

export function startedId(taskId: TaskId, fence: number): string {
  return `started:${taskId}:${fence}`
}

export function lostId(taskId: TaskId, fence: number): string {
  return `lost:${taskId}:${fence}`
}

/** Enters a placement in the state and its indexes; it must stand in none of them before. */
export function index(state: RegistryState, placement: Placement): void {
  const { taskId } = placement.dispatch
  state.placements.set(taskId, placement)
  if (placement.at === 'queued') add(state.queues, classOf(placement.dispatch), taskId)
  else add(state.held, placement.agentId, taskId)
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
