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
import { keptSums, stateOf, sumsOf } from './operation-sums.ts'
import type { RegistryState } from './state.ts'
import { orderId, type Turn } from './turn.ts'

/**
 * What operators ask of the models on agents. An operation is an order to each agent that it concerns; it is kept, and
 * sent again at each hello, until every order has a final state. How far an order is lives in memory only: its agent says
 * it again. Between save and send the object may die while the sockets live, so an order of which its agent has said
 * nothing is sent again at a wake, too.
 *
 * A fleet has thousands of agents, each with a word a second. So an operation is one record with the names of its agents,
 * a final state is one more, and what comes of a word is found without looking at the other orders.
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
  /** Since then every order is over: who had no final state has this one, without a record of its own. */
  readonly isCancelled: boolean
  /** By agent. Turn puts a new one in an old one's place. */
  readonly orders: Record<AgentId, OrderProgress>
}

export type NewOperation = Omit<Operation, 'createdAtMs' | 'isCancelled' | 'orders'>

/** What is kept of one. Final states stand in records of their own, by operation and agent. */
export type SavedOperation = Omit<Operation, 'orders'> & { readonly agentIds: readonly AgentId[] }

export type OperationBegun = { readonly ok: true; readonly operation: ModelOperationView | null } | Refusal

type Orderable =
  | { readonly ok: true; readonly agentIds: readonly AgentId[]; readonly full: readonly AgentId[] }
  | Refusal

type Refusal =
  | { readonly ok: false; readonly reason: 'none' }
  /** These have as many orders as may wait. */
  | { readonly ok: false; readonly reason: 'full'; readonly agents: readonly string[] }

/** So many operations that are over can still be looked at. */
const KEPT_ENDED = 100
/** ... with so many orders in all, since each is a row that every load reads; the newest operation whatever its size. */
const KEPT_ORDERS = 20_000

/** Thousands of agents may fail at once, and all that they say is kept. */
const ERROR_LENGTH = 500

/** Nobody has said a word of it. This very object: an agent may say `queued` itself. */
export const UNHEARD: OrderProgress = { state: 'queued', bytes_done: 0, bytes_total: null, error: null }

/** How far it was is not kept. */
const CANCELLED: OrderProgress = { state: 'cancelled', bytes_done: 0, bytes_total: 0, error: null }

const FULL: OrderProgress = {
  ...UNHEARD,
  state: 'failed',
  error: {
    code: 'model_queue_full',
    message: 'As many orders wait there as may. Ask it again when some are done.',
    retryable: true,
  },
}

/**
 * The agents of a target, of those that the caller may name, and which of them have as many orders as may wait; or why none
 * is asked. One that is full does not keep the others from theirs: it may be away for days.
 */
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
  const full = agents.filter(({ id }) => isQueueFull(state, id, queueLimit))
  if (full.length === agents.length)
    return { ok: false, reason: 'full', agents: full.slice(0, 10).map(({ name }) => name) }
  return { ok: true, agentIds: agents.map(({ id }) => id), full: full.map(({ id }) => id) }
}

/** As many orders wait there as may. */
export function isQueueFull({ openOrders }: RegistryState, agentId: AgentId, queueLimit: number): boolean {
  return (openOrders.get(agentId)?.size ?? 0) >= queueLimit
}

/** Begins an operation. One that is known already changes nothing. Orders to `full` agents end at once. */
export function begin(
  turn: Turn,
  asked: NewOperation,
  agentIds: readonly AgentId[],
  full: readonly AgentId[] = [],
): void {
  if (turn.state.operations.has(asked.id)) return
  const orders = Object.fromEntries(agentIds.map((agentId) => [agentId, UNHEARD]))
  const operation: Operation = { ...asked, createdAtMs: turn.nowMs, isCancelled: false, orders }
  turn.beginOperation(operation)
  for (const agentId of full) settle(turn, operation, agentId, FULL)
  for (const agentId of agentIds) {
    if (operation.orders[agentId] === UNHEARD) sendOrder(turn, agentId, operation)
  }
  forgetEnded(turn)
}

/** Nobody wants it any more. What is over stays as it is. */
export function cancel(turn: Turn, id: OperationId): void {
  const known = turn.state.operations.get(id)
  if (known === undefined || stateOf(keptSums(turn.state, known)) !== 'running') return
  // The keys of an operation's orders are the ids of its agents.
  const orders = Object.entries(known.orders) as [AgentId, OrderProgress][]
  const open = orders.flatMap(([agentId, order]) => (isFinal(order) ? [] : [agentId]))
  const operation = { ...known, isCancelled: true }
  const { before, after } = turn.cancelOrders(operation, open, CANCELLED)
  tellWaiting(turn, operation, before, after)
  for (const agentId of open) sendCancel(turn, agentId, id)
}

/** A hello: what is not done yet is ordered again. */
export function sendOpen(turn: Turn, agentId: AgentId): void {
  for (const operation of openOf(turn, agentId)) sendOrder(turn, agentId, operation)
}

/** A wake: what agents that are there have not said a word of is ordered again. */
export function repeatUnheard(turn: Turn): void {
  const { state, nowMs } = turn
  if (state.ordersDueMs === null || state.ordersDueMs > nowMs) return
  state.ordersDueMs = null
  for (const agentId of state.openOrders.keys()) {
    if ((state.agents.get(agentId)?.session ?? null) === null) continue
    for (const operation of openOf(turn, agentId)) {
      if (operation.orders[agentId] === UNHEARD) sendOrder(turn, agentId, operation)
    }
  }
}

/** An agent says how far it is. Late and foreign words change nothing. */
export function progressed(turn: Turn, agentId: AgentId, message: ModelProgress): void {
  const operation = turn.state.operations.get(message.operation_id)
  const before = operation?.orders[agentId]
  if (operation === undefined || before === undefined || message.model_id !== operation.modelId) return
  // It was away, or the word to it was lost.
  if (before.state === 'cancelled' && !isFinal(message.progress)) sendCancel(turn, agentId, operation.id)
  if (isFinal(before)) return
  const { error } = message.progress
  const told = error === null ? null : { ...error, message: error.message.slice(0, ERROR_LENGTH) }
  settle(turn, operation, agentId, { ...message.progress, error: told })
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
  return state === 'completed' || state === 'failed' || state === 'cancelled'
}

/** As it is kept. */
export function savedOperation({ orders, ...operation }: Operation): SavedOperation {
  // The keys of an operation's orders are the ids of its agents.
  return { ...operation, agentIds: Object.keys(orders) as AgentId[] }
}

/** After a load nobody knows how far an order is that has no final state: its agent is asked again. */
export function loadedOperation(
  { agentIds, ...saved }: SavedOperation,
  finals: ReadonlyMap<string, OrderProgress>,
): Operation {
  const unsaid = saved.isCancelled ? CANCELLED : UNHEARD
  const orders = agentIds.map((agentId) => [agentId, finals.get(orderId(saved.id, agentId)) ?? unsaid])
  return { ...saved, orders: Object.fromEntries(orders) }
}

/** Whether an operation still runs, and how it ended; told from all of its orders. */
export function operationState({ orders }: Operation): ReturnType<typeof stateOf> {
  return stateOf(sumsOf(Object.values(orders)))
}

function isOf(target: OrderTarget, agentId: AgentId, labels: readonly string[]): boolean {
  if (target.kind === 'fleet') return true
  return target.kind === 'agent' ? agentId === target.agent_id : labels.includes(target.label)
}

function openOf({ state }: Turn, agentId: AgentId): Operation[] {
  return [...(state.openOrders.get(agentId) ?? [])].flatMap((id) => state.operations.get(id) ?? [])
}

function sendOrder(turn: Turn, agentId: AgentId, operation: Operation): void {
  const { state, nowMs, settings } = turn
  turn.send(agentId, orderOf(operation))
  state.ordersDueMs ??= nowMs + settings.inquiryMs
}

function sendCancel(turn: Turn, agentId: AgentId, id: OperationId): void {
  turn.send(agentId, { type: 'model.cancel', operation_id: id })
}

function settle(turn: Turn, operation: Operation, agentId: AgentId, progress: OrderProgress): void {
  const { before, after } = turn.setOrder(operation, agentId, progress)
  tellWaiting(turn, operation, before, after)
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
  const { state } = turn
  const ended = [...state.operations.values()]
    .filter((operation) => stateOf(keptSums(state, operation)) !== 'running')
    .sort((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? 1 : -1))
  let orders = 0
  for (const [index, operation] of ended.entries()) {
    orders += Object.keys(operation.orders).length
    if (index >= KEPT_ENDED || (index > 0 && orders > KEPT_ORDERS)) turn.forgetOperation(operation)
  }
}
