import type { AgentId, ModelId, OperationId, TenantId } from '#protocol/ids.ts'
import type { CatalogModel } from '#protocol/model.ts'
import type {
  ModelAction,
  ModelOperationView,
  ModelOrder,
  ModelProgress,
  OrderProgress,
  OrderTarget,
} from '#protocol/model-order.ts'
import type { TaskError } from '#protocol/task.ts'
import { tellWaiting } from './auto-pull.ts'
import type { RegistryState } from './state.ts'
import type { Turn } from './turn.ts'

/**
 * What operators ask of the models on agents. An operation is an order to each agent that it concerns; it is kept, and
 * sent again at each hello, until every order has a final state. How far an order is lives in memory only: its agent says
 * it again.
 */
export interface Operation {
  readonly id: OperationId
  readonly tenantId: TenantId
  readonly action: ModelAction
  readonly modelId: ModelId
  /** Of a model that agents' own catalogs may lack. */
  readonly entry: CatalogModel | null
  readonly keepAliveSeconds: number | null
  readonly createdAtMs: number
  /** By agent. */
  readonly orders: Readonly<Record<AgentId, OrderProgress>>
}

export type NewOperation = Omit<Operation, 'createdAtMs' | 'orders'>

export type OperationBegun = { readonly ok: true; readonly operation: ModelOperationView | null } | Refusal

type Orderable = { readonly ok: true; readonly agentIds: readonly AgentId[] } | Refusal

type Refusal =
  | { readonly ok: false; readonly reason: 'none' }
  /** These have as many orders as may wait. */
  | { readonly ok: false; readonly reason: 'full'; readonly agents: readonly string[] }

/** So many operations that are over can still be looked at. */
const KEPT_ENDED = 100

const QUEUED: OrderProgress = { state: 'queued', bytes_done: 0, bytes_total: null, error: null }

/** The agents of a target, of those that the caller may name; or why none of them is asked. */
export function orderable(
  state: RegistryState,
  target: OrderTarget,
  own: readonly AgentId[],
  queueLimit: number,
): Orderable {
  const mayName = new Set(own)
  const agents = [...state.agents.values()].filter(
    ({ id, hello }) => mayName.has(id) && isOf(target, id, hello.labels),
  )
  if (agents.length === 0) return { ok: false, reason: 'none' }
  const full = agents.filter(({ id }) => (state.openOrders.get(id)?.size ?? 0) >= queueLimit)
  if (full.length > 0) return { ok: false, reason: 'full', agents: full.map(({ name }) => name) }
  return { ok: true, agentIds: agents.map(({ id }) => id) }
}

/** Begins an operation. One that is known already changes nothing. */
export function begin(turn: Turn, asked: NewOperation, agentIds: readonly AgentId[]): void {
  if (turn.state.operations.has(asked.id)) return
  const orders = Object.fromEntries(agentIds.map((agentId) => [agentId, QUEUED]))
  const operation: Operation = { ...asked, createdAtMs: turn.nowMs, orders }
  turn.saveOperation(operation)
  for (const agentId of agentIds) turn.send(agentId, orderOf(operation))
  forgetEnded(turn)
}

/** A hello: what is not done yet is ordered again. */
export function sendOpen(turn: Turn, agentId: AgentId): void {
  for (const id of turn.state.openOrders.get(agentId) ?? []) {
    const operation = turn.state.operations.get(id)
    if (operation !== undefined) turn.send(agentId, orderOf(operation))
  }
}

/** An agent says how far it is. Late and foreign words change nothing. */
export function progressed(turn: Turn, agentId: AgentId, message: ModelProgress): void {
  const operation = turn.state.operations.get(message.operation_id)
  const before = operation?.orders[agentId]
  if (operation === undefined || before === undefined || isFinal(before)) return
  if (message.model_id !== operation.modelId) return
  settle(turn, operation, agentId, message.progress)
}

/** The agent is gone for good: what it was asked will not be done. */
export function abandon(turn: Turn, agentId: AgentId): void {
  for (const id of [...(turn.state.openOrders.get(agentId) ?? [])]) {
    const operation = turn.state.operations.get(id)
    const order = operation?.orders[agentId]
    if (operation !== undefined && order !== undefined)
      settle(turn, operation, agentId, { ...order, state: 'failed', error: REMOVED })
  }
}

const REMOVED: TaskError = {
  code: 'agent_removed',
  message: 'The agent was removed before it was done.',
  retryable: false,
}

export function isFinal({ state }: OrderProgress): boolean {
  return state === 'completed' || state === 'failed'
}

/** Whether an operation still runs, and how it ended. */
export function operationState({ orders }: Operation): 'running' | 'completed' | 'failed' {
  const all = Object.values(orders)
  if (!all.every(isFinal)) return 'running'
  return all.every(({ state }) => state === 'completed') ? 'completed' : 'failed'
}

function isOf(target: OrderTarget, agentId: AgentId, labels: readonly string[]): boolean {
  if (target.kind === 'fleet') return true
  return target.kind === 'agent' ? agentId === target.agent_id : labels.includes(target.label)
}

function settle(turn: Turn, operation: Operation, agentId: AgentId, progress: OrderProgress): void {
  const next: Operation = { ...operation, orders: { ...operation.orders, [agentId]: progress } }
  if (isFinal(progress)) turn.saveOperation(next)
  else turn.touchOperation(next)
  tellWaiting(turn, operation, next)
}

function orderOf({ id, action, modelId, entry, keepAliveSeconds }: Operation): ModelOrder {
  return {
    type: 'model.order',
    operation_id: id,
    action,
    model_id: modelId,
    entry,
    keep_alive_seconds: keepAliveSeconds,
  }
}

function forgetEnded(turn: Turn): void {
  const { operations } = turn.state
  const ended = [...operations.values()].filter((operation) => operationState(operation) !== 'running')
  const over = ended
    .sort((a, b) => a.createdAtMs - b.createdAtMs)
    .slice(0, Math.max(0, ended.length - KEPT_ENDED))
  for (const { id } of over) turn.forgetOperation(id)
}
