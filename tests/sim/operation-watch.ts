import type { RegistryInput } from '#core/registry/input.ts'
import { isFinal, type Operation, operationState } from '#core/registry/operations.ts'
import type { RegistryState } from '#core/registry/state.ts'
import type { AgentId, OperationId } from '#protocol/ids.ts'
import type { ModelOrder, OrderProgress, OrderTarget } from '#protocol/model-order.ts'
import { isOver } from './agent-orders.ts'
import { isReached, LATE_MS } from './agent-watch.ts'
import { canPull, LABEL } from './config.ts'
import { isEqual } from './equal.ts'
import type { RegistryStep } from './grant-watch.ts'
import { numberOf } from './names.ts'
import type { World } from './world.ts'

/** An operation as it was begun, and what is final of it. */
export interface Begun {
  readonly operation: Operation
  readonly finals: Map<AgentId, OrderProgress>
  end: ReturnType<typeof operationState> | null
}

/** An order is with its agent within this, and its end with the registry: some repetitions, each a little late. */
const HEARD_MS = 120_000

/** What must hold of operators' orders about models. */
export class OperationWatch {
  readonly #world: World
  readonly #begun = new Map<OperationId, Begun>()
  readonly #targets = new Map<OperationId, OrderTarget>()
  /** What each agent has still to do, as the steps told it. */
  readonly #open = new Map<AgentId, Set<OperationId>>()
  /** Since when an agent that is there and its registry disagree about an order. */
  readonly #sinceMs = new Map<string, number>()

  constructor(world: World) {
    this.#world = world
  }

  get begun(): ReadonlyMap<OperationId, Begun> {
    return this.#begun
  }

  openOf(agentId: AgentId): ReadonlySet<OperationId> {
    return this.#open.get(agentId) ?? new Set()
  }

  /** An operator's call: whom the operation may concern. */
  asked(id: OperationId, target: OrderTarget): void {
    this.#targets.set(id, target)
  }

  committed(input: RegistryInput, { state, effects }: RegistryStep): void {
    for (const effect of effects) {
      if (effect.type === 'operation.changed') this.#changed(input, state, effect.operationId)
    }
    for (const effect of effects) {
      if (effect.type === 'send' && effect.message.type === 'model.order') {
        this.#sent(state, effect.agentId, effect.message)
      }
    }
    if (
      input.type === 'revoke' &&
      (state.openOrders.has(input.agentId) || this.openOf(input.agentId).size > 0)
    ) {
      this.#violated('I13', `agent ${numberOf(input.agentId)} is revoked, and has orders still`)
    }
  }

  /** What is final stays so, and what is not is there. */
  loaded(state: RegistryState): void {
    this.checkAll(state)
  }

  /** The whole of it: dear, so not after each step. */
  checkAll(state: RegistryState): void {
    for (const [id, begun] of this.#begun) {
      const operation = state.operations.get(id)
      if (operation !== undefined) this.#check(state, operation, begun)
      else if (begun.end === null) this.#violated('I12', `${nameOf(id)} runs, and is forgotten`)
      else this.#begun.delete(id)
    }
    for (const id of state.operations.keys()) {
      if (!this.#begun.has(id)) this.#violated('I12', `${nameOf(id)} is there again`)
    }
    if (!isEqual(state.openOrders, this.#open))
      this.#violated('I17', 'the open orders are not those of the operations')
  }

  /** Time passed: an agent that is there has heard of each order, and what it said last was heard. */
  check(): void {
    const { agents, registry, nowMs } = this.#world
    const isAwake = !registry.isOut && (registry.wakeMs === null || registry.wakeMs > nowMs - LATE_MS)
    for (const agent of agents) {
      for (const id of this.openOf(agent.id)) {
        const key = `${agent.number} ${id}`
        const known = agent.orders.known.get(id)
        const isAgreed = known !== undefined && !isOver(known)
        if (isAgreed || !isAwake || !isReached(this.#world, agent)) this.#sinceMs.delete(key)
        else this.#checkHeard(key, id, known === undefined ? 'never heard of' : 'is done with')
      }
    }
  }

  #checkHeard(key: string, id: OperationId, how: string): void {
    const { nowMs } = this.#world
    const sinceMs = this.#sinceMs.get(key) ?? nowMs
    this.#sinceMs.set(key, sinceMs)
    if (nowMs - sinceMs <= HEARD_MS) return
    const [agent] = key.split(' ')
    this.#violated('I13', `agent ${agent} is there and ${how} ${nameOf(id)}, which is open`)
  }

  #changed(input: RegistryInput, state: RegistryState, id: OperationId): void {
    const operation = state.operations.get(id)
    // Begun and over within one step, and of those that are not kept.
    if (operation === undefined) return
    const known = this.#begun.get(id)
    const begun = known ?? { operation: copyOf(operation), finals: new Map(), end: null }
    if (known === undefined) this.#begins(input, begun)
    this.#check(state, operation, begun)
    for (const [agentId, progress] of ordersOf(operation)) {
      if (!isFinal(progress) || begun.finals.has(agentId)) continue
      begun.finals.set(agentId, progress)
      this.#close(agentId, id)
      this.#world.count(`orders ${progress.state}`)
      if (progress.error?.code === 'agent_removed') this.#world.count('orders of removed agents')
    }
    this.#checkIndex(state, operation)
    if (begun.end !== null || begun.finals.size < ordersOf(operation).length) return
    const states = new Set(Array.from(begun.finals.values(), ({ state }) => state))
    begun.end = states.has('cancelled') ? 'cancelled' : states.has('failed') ? 'failed' : 'completed'
    if (operationState(operation) !== begun.end)
      this.#violated('I12', `${nameOf(id)} does not end ${begun.end}`)
    this.#world.count('operations ended')
  }

  #begins(input: RegistryInput, begun: Begun): void {
    const { operation } = begun
    const agents = ordersOf(operation).map(([agentId]) => agentId)
    const target = this.#targets.get(operation.id)
    const isMeant = (agentId: AgentId) => {
      const agent = this.#world.agents[numberOf(agentId) - 1]
      if (agent === undefined) return false
      if (input.type === 'wait') return canPull(agent.config)
      if (target?.kind === 'agent') return target.agent_id === agentId
      return target?.kind === 'fleet' || (target?.kind === 'label' && agent.labels.includes(LABEL))
    }
    if (agents.length === 0 || !agents.every(isMeant)) {
      this.#violated('I15', `${nameOf(operation.id)} is begun for who is not meant`)
    }
    if (input.type === 'wait') {
      this.#world.count('pulls for jobs')
      const isOnly = operation.action === 'pull' && agents.length === 1 && this.#world.config.autoPull
      if (!isOnly) this.#violated('I15', `${nameOf(operation.id)} is no pull that a job may have`)
    }
    this.#begun.set(operation.id, begun)
    for (const agentId of agents) {
      const open = this.#open.get(agentId) ?? new Set()
      this.#open.set(agentId, open.add(operation.id))
    }
  }

  #close(agentId: AgentId, id: OperationId): void {
    const open = this.#open.get(agentId)
    open?.delete(id)
    if (open?.size === 0) this.#open.delete(agentId)
  }

  /** Against what is known of it. */
  #check(state: RegistryState, operation: Operation, { operation: first, finals, end }: Begun): void {
    const { id } = operation
    const orders = operation.orders
    for (const [agentId, final] of finals) {
      const now = orders[agentId]
      if (isEqual(now, final)) continue
      this.#violated(
        'I14',
        `agent ${numberOf(agentId)} was ${final.state} with ${nameOf(id)}, and is ${now?.state} now`,
      )
    }
    if (end !== null && operationState(operation) !== end) {
      this.#violated('I12', `${nameOf(id)} had ended as ${end} and is ${operationState(operation)}`)
    }
    const isSame = isEqual(withoutState(operation), withoutState(first))
    if (!isSame || !isEqual(Object.keys(orders), Object.keys(first.orders))) {
      this.#violated('I15', `${nameOf(id)} is another one than it was`)
    }
    if (end !== null) return
    this.#checkIndex(state, operation)
  }

  #checkIndex(state: RegistryState, operation: Operation): void {
    for (const [agentId, progress] of ordersOf(operation)) {
      const isOpen = state.openOrders.get(agentId)?.has(operation.id) === true
      if (isOpen !== isFinal(progress)) continue
      this.#violated(
        'I17',
        `${nameOf(operation.id)} is ${isOpen ? '' : 'not '}open for agent ${numberOf(agentId)}`,
      )
    }
  }

  #sent(state: RegistryState, agentId: AgentId, message: ModelOrder): void {
    const { operation_id: id, action, model_id } = message
    const operation = state.operations.get(id)
    const isRight = operation?.action === action && operation.modelId === model_id
    const isTheirs = this.openOf(agentId).has(id) && state.agents.has(agentId)
    if (isRight && isTheirs) return
    this.#violated('I15', `agent ${numberOf(agentId)} is sent ${nameOf(id)}, which is no order of it`)
  }

  #violated(rule: string, text: string): void {
    this.#world.violated(rule, `registry: ${text}`)
  }
}

function ordersOf({ orders }: Operation): [AgentId, OrderProgress][] {
  // The keys of an operation's orders are the ids of its agents.
  return Object.entries(orders) as [AgentId, OrderProgress][]
}

function withoutState({ orders: _orders, isCancelled: _isCancelled, ...rest }: Operation): unknown {
  return rest
}

/** The registry changes its own in place. */
function copyOf(operation: Operation): Operation {
  return { ...operation, orders: { ...operation.orders } }
}

function nameOf(id: OperationId): string {
  return `operation ${numberOf(id)}`
}
