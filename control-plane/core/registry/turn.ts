import type { ServerMessage } from '#protocol/agent-messages.ts'
import type { Catalog } from '#protocol/catalog.ts'
import type { AgentId, JobId, OperationId, TaskId } from '#protocol/ids.ts'
import type { OrderProgress } from '#protocol/model-order.ts'
import type { Dispatch } from '../dispatch.ts'
import type { Change } from '../machine.ts'
import type { CoreSettings } from '../settings.ts'
import type { Speed } from '../speed.ts'
import type { AgedMap } from '../structures/aged-map.ts'
import type { RegistryEffect, TrackedEffect } from './effects.ts'
import { dueMs, enter, enterOperation, enterOrder, leave, placeAgent, workOf } from './indexes.ts'
import { keptSums, type OrderSums, stateOf } from './operation-sums.ts'
import { isFinal, type Operation, savedOperation } from './operations.ts'
import type {
  AgentRecord,
  Granted,
  Offered,
  OverFence,
  Placement,
  RegistryState,
  WaitingJob,
} from './state.ts'

/** Of so many recent jobs it is known who holds their artifacts, and that they wait no more. */
const REMEMBERED_JOBS = 1_000

/** Stages times engines times models times devices; more than any fleet has. */
const MAX_SPEEDS = 1_000

/** What the machine is given besides its state: the operator's settings, and what could run. */
export interface RegistryContext {
  readonly settings: CoreSettings
  readonly catalog: Catalog
}

/**
 * One step of the registry while it is being decided. It is the only writer of the state, so that the indexes (queues,
 * held, kinds, deadlines) always agree with agents and placements, and every durable change is noted.
 */
export class Turn {
  readonly state: RegistryState
  readonly nowMs: number
  readonly context: RegistryContext
  readonly effects: RegistryEffect[] = []
  readonly changes: Change[] = []

  constructor(state: RegistryState, nowMs: number, context: RegistryContext) {
    this.state = state
    this.nowMs = nowMs
    this.context = context
  }

  get settings(): CoreSettings {
    return this.context.settings
  }

  saveAgent(agent: AgentRecord): void {
    this.touchAgent(agent)
    this.changes.push({ kind: 'agent', id: agent.id, value: agent })
  }

  /** For what lives in memory only. */
  touchAgent(agent: AgentRecord): void {
    this.state.agents.set(agent.id, agent)
    placeAgent(this.state, agent)
  }

  forgetAgent(agentId: AgentId): void {
    this.state.agents.delete(agentId)
    this.state.kinds.remove(agentId)
    this.state.deadlines.set(agentId, null)
    this.changes.push({ kind: 'agent', id: agentId, value: null })
  }

  /** A task that arrived: into its queue, and kept. */
  queue(dispatch: Dispatch): void {
    this.state.over.delete(dispatch.taskId)
    const placement: Placement = { dispatch, at: 'queued' }
    leave(this.state, dispatch.taskId)
    enter(this.state, placement)
    this.#save(placement)
  }

  /** After an offer that came to nothing. No row is written: offers are not kept, so on disk it is queued still. */
  requeue({ dispatch }: Offered): void {
    leave(this.state, dispatch.taskId)
    enter(this.state, { dispatch, at: 'queued' }, 'front')
    this.refund(dispatch)
    this.state.coverageCheckMs ??= this.nowMs + this.settings.offlineMs
  }

  /** An offer came to nothing, so its work was not done. */
  refund(dispatch: Dispatch): void {
    this.state.shares.refund(dispatch.share, workOf(dispatch))
  }

  offer(placement: Offered): void {
    leave(this.state, placement.dispatch.taskId)
    enter(this.state, placement)
    this.state.shares.serve(placement.dispatch.share, workOf(placement.dispatch))
  }

  grant(placement: Granted): void {
    leave(this.state, placement.dispatch.taskId)
    enter(this.state, placement)
    this.#save(placement)
  }

  /** A lease or a counter moved on: memory only. */
  touch(placement: Granted): void {
    this.state.placements.set(placement.dispatch.taskId, placement)
    this.state.deadlines.set(placement.dispatch.taskId, dueMs(placement))
  }

  /** This fence, and every lower one, is over here. Its start needs no answer any more. */
  end(taskId: TaskId, fence: number): void {
    leave(this.state, taskId)
    this.state.placements.delete(taskId)
    this.answered(startedId(taskId, fence))
    const over: OverFence = { at: 'over', taskId, fence, endedAtMs: this.nowMs }
    this.state.over.set(taskId, over)
    this.changes.push({ kind: 'task', id: taskId, value: over })
  }

  forgetOver(taskId: TaskId): void {
    this.state.over.delete(taskId)
    this.changes.push({ kind: 'task', id: taskId, value: null })
  }

  wait(job: WaitingJob): void {
    this.state.waiting.set(job.jobId, job)
    this.changes.push({ kind: 'waiting', id: job.jobId, value: job })
  }

  /** For good: a job that has its engines, or has ended, waits for none again. */
  unwait(jobId: JobId): void {
    remembered(this.state.unwaited, jobId, true)
    if (!this.state.waiting.delete(jobId)) return
    this.changes.push({ kind: 'waiting', id: jobId, value: null })
  }

  beginOperation(operation: Operation): void {
    enterOperation(this.state, operation)
    this.changes.push({ kind: 'operation', id: operation.id, value: savedOperation(operation) })
    this.#operationChanged(operation)
  }

  /** A final state is kept; how far an order is lives in memory only. What the orders came to before, and do now. */
  setOrder(
    operation: Operation,
    agentId: AgentId,
    progress: OrderProgress,
  ): { before: OrderSums; after: OrderSums } {
    const before = keptSums(this.state, operation)
    enterOrder(this.state, operation, agentId, progress)
    if (isFinal(progress))
      this.changes.push({ kind: 'order', id: orderId(operation.id, agentId), value: progress })
    this.#operationChanged(operation)
    return { before, after: keptSums(this.state, operation) }
  }

  /** Whatever is open of it, with the one record of the operation. What its orders came to before, and do now. */
  cancelOrders(
    operation: Operation,
    open: readonly AgentId[],
    progress: OrderProgress,
  ): { before: OrderSums; after: OrderSums } {
    const before = keptSums(this.state, operation)
    this.state.operations.set(operation.id, operation)
    for (const agentId of open) enterOrder(this.state, operation, agentId, progress)
    this.changes.push({ kind: 'operation', id: operation.id, value: savedOperation(operation) })
    this.#operationChanged(operation)
    return { before, after: keptSums(this.state, operation) }
  }

  /** One that is over. */
  forgetOperation({ id, orders }: Operation): void {
    this.state.operations.delete(id)
    this.state.orderSums.delete(id)
    this.changes.push({ kind: 'operation', id, value: null })
    for (const agentId of Object.keys(orders))
      this.changes.push({ kind: 'order', id: orderId(id, agentId), value: null })
  }

  #operationChanged(operation: Operation): void {
    const isOver = stateOf(keptSums(this.state, operation)) !== 'running'
    this.effects.push({ type: 'operation.changed', operationId: operation.id, isOver })
  }

  order(id: string, effect: TrackedEffect): void {
    const posted = this.state.outbox.post(id, effect, this.nowMs)
    if (posted === null) return
    if (isKept(effect)) this.changes.push({ kind: 'outbox', id, value: posted })
    this.effects.push({ type: 'tracked', id, effect })
  }

  answered(id: string): void {
    const effect = this.state.outbox.get(id)?.effect
    if (effect === undefined || !this.state.outbox.answered(id)) return
    if (isKept(effect)) this.changes.push({ kind: 'outbox', id, value: null })
  }

  /** Perform again what is unanswered and due. When it is due next lives in memory only: no row is written for it. */
  repeatDue(): void {
    for (const { id, effect } of this.state.outbox.takeDue(this.nowMs)) {
      this.effects.push({ type: 'tracked', id, effect })
    }
  }

  send(agentId: AgentId, message: ServerMessage): void {
    this.effects.push({ type: 'send', agentId, message })
  }

  /** Saved now and then: a speed that is a few runs old is still one. */
  learn(key: string, speed: Speed): void {
    const { speeds } = this.state
    if (!speeds.has(key) && speeds.size >= MAX_SPEEDS) return
    speeds.set(key, speed)
    const isTelling = speed.count <= 4 ? speed.count === 1 || speed.count === 4 : speed.count % 16 === 0
    if (isTelling) this.changes.push({ kind: 'speed', id: key, value: speed })
  }

  remember(placement: Placement, agentId: AgentId): void {
    remembered(this.state.lastAgent, placement.dispatch.jobId, agentId)
  }

  #save(placement: Placement): void {
    this.changes.push({ kind: 'task', id: placement.dispatch.taskId, value: placement })
  }
}

/** Of so many jobs, the newest ones. */
function remembered<Value>(jobs: AgedMap<JobId, Value>, jobId: JobId, value: Value): void {
  jobs.set(jobId, value)
  const oldest = jobs.oldestKey()
  if (jobs.size > REMEMBERED_JOBS && oldest !== null) jobs.delete(oldest)
}

/**
 * A start needs no row: after an eviction the grant itself says that nobody knows whether it started, and the next word of
 * its agent tells the Job again.
 */
function isKept(effect: TrackedEffect): boolean {
  return effect.type !== 'job.started'
}

/** Of the record of an order's final state. */
export function orderId(operationId: OperationId, agentId: string): string {
  return `${operationId}:${agentId}`
}

export function startedId(taskId: TaskId, fence: number): string {
  return `started:${taskId}:${fence}`
}

export function lostId(taskId: TaskId, fence: number): string {
  return `lost:${taskId}:${fence}`
}
