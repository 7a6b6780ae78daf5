import type { RegistryEffect } from '#core/registry/effects.ts'
import type { RegistryInput } from '#core/registry/input.ts'
import { hasMemory } from '#core/registry/memory.ts'
import { type AgentRecord, heldBy, type Placement, type RegistryState } from '#core/registry/state.ts'
import { fits } from '#core/select.ts'
import type { AgentId, TaskId } from '#protocol/ids.ts'
import type { Requirements } from '#protocol/task.ts'
import { isEqual } from './equal.ts'
import { GrantWatch, type RegistryStep } from './grant-watch.ts'
import { numberOf, shortOf } from './names.ts'
import { OperationWatch } from './operation-watch.ts'
import { PullWatch } from './pull-watch.ts'
import type { RegistryObject } from './registry-object.ts'
import type { World } from './world.ts'

/** A whole look at the indexes is dear: once in so many steps. */
const WHOLE_CHECK_EVERY = 64

/** What must hold of the registry after each of its steps. */
export class RegistryWatch {
  readonly #world: World
  readonly #object: RegistryObject
  readonly #grants: GrantWatch
  readonly operations: OperationWatch
  readonly #pulls: PullWatch
  readonly #lost = new Set<string>()
  #memory: RegistryState | null = null
  #steps = 0

  constructor(world: World, object: RegistryObject) {
    this.#world = world
    this.#object = object
    this.#grants = new GrantWatch(world)
    this.operations = new OperationWatch(world)
    this.#pulls = new PullWatch(world, this.operations)
  }

  committed(input: RegistryInput, step: RegistryStep): void {
    const { state } = step
    if (input.type === 'agent.message') this.#grants.heard(input, step)
    if ('agentId' in input && this.#isRevoked(input.agentId) && state.agents.has(input.agentId)) {
      this.#violated('revoked', `agent ${numberOf(input.agentId)} is back after its credential was revoked`)
    }
    if (input.type === 'cancel') this.#grants.cancelled(input.taskId, input.fence)
    for (const effect of step.effects) this.#effect(effect, input)
    if (input.type === 'wake') this.#grants.check(state)
    this.operations.committed(input, step)
    this.#pulls.committed(input, step)
    this.#checkSlots(state)
    this.#checkOffers(state)
    if (state.outbox.size > 0 && this.#world.registryMachine.nextWakeMs(state) === null) {
      this.#violated('L1', 'has an unanswered effect and wants no wake')
    }
    if (++this.#steps % WHOLE_CHECK_EVERY === 0) this.#checkIndexes(state)
  }

  /** Who was ever granted it; null where nobody was. */
  holderOf(taskId: TaskId, fence: number): AgentId | null {
    return this.#grants.holderOf(taskId, fence)
  }

  forgotten(memory: RegistryState | null): void {
    this.#memory = memory
  }

  /** What must survive: who holds what, what is over, what is unanswered. Leases begin anew, once. */
  loaded(state: RegistryState): void {
    this.#grants.loaded(state)
    this.operations.loaded(state)
    this.#pulls.loaded()
    const memory = this.#memory
    if (memory === null) return
    if (!isEqual(survivorsOf(memory), survivorsOf(state)))
      this.#violated('I11', 'a reload gave another state')
  }

  #isRevoked(agentId: AgentId): boolean {
    return this.#world.agents[numberOf(agentId) - 1]?.isRevoked === true
  }

  #effect(effect: RegistryEffect, input: RegistryInput): void {
    if (effect.type === 'send.granted') this.#grants.granted(effect.agentId, effect.message)
    if (effect.type === 'send' && effect.message.type === 'task.ack') {
      const { task_id, fence, answer } = effect.message
      this.#world.checkAck(task_id, fence, answer)
    }
    if (effect.type !== 'tracked' || effect.effect.type !== 'job.lost' || this.#lost.has(effect.id)) return
    this.#lost.add(effect.id)
    this.#world.count(effect.effect.counted ? 'losses that count' : 'losses that do not')
    if (input.type === 'wake') this.#grants.expired(effect.effect)
    else if (input.type === 'agent.message') this.#grants.lostAtHello(input, effect.effect)
  }

  #checkSlots(state: RegistryState): void {
    for (const [id, tasks] of state.held) {
      const agent = state.agents.get(id)
      const slots = agent?.hello.slots ?? 0
      for (const taskId of tasks) {
        if (agent?.session === null && state.placements.get(taskId)?.at === 'offered') {
          this.#violated('I5', `${shortOf(taskId)} is offered to agent ${numberOf(id)}, which is away`)
        }
      }
      if (tasks.size > slots) {
        this.#violated('I7', `agent ${numberOf(id)} has ${tasks.size} tasks on ${slots} slots`)
      }
      for (const engine of agent?.hello.engines ?? []) {
        if (heldOn(state, id, engine.manifest.id) > engine.slots) {
          this.#violated('I7', `${engine.manifest.id} of agent ${numberOf(id)} has more tasks than slots`)
        }
      }
    }
  }

  /** No task waits while an agent could take it. Tasks of one queue have the same needs. */
  #checkOffers(state: RegistryState): void {
    for (const queue of state.queues.values()) {
      const [first = null] = queue
      const waiting = firstOf(state, first)
      if (waiting === undefined) continue
      for (const agent of state.agents.values()) {
        if (!isFree(state, agent)) continue
        const engine = agent.hello.engines.find(
          (one) =>
            heldOn(state, agent.id, one.manifest.id) < one.slots &&
            canTake(state, agent.id, waiting.dispatch.requirements, one),
        )
        if (engine === undefined) continue
        const task = shortOf(waiting.dispatch.taskId)
        this.#violated('I5', `${task} waits, and agent ${numberOf(agent.id)} is free`)
      }
    }
  }

  #checkIndexes(state: RegistryState): void {
    this.operations.checkAll(state)
    let indexed = 0
    for (const tasks of [...state.queues.values(), ...state.held.values()]) indexed += tasks.size
    if (indexed !== state.placements.size) this.#violated('I3', 'a task stands in two places, or in none')
    for (const taskId of state.placements.keys()) {
      if (state.over.has(taskId)) this.#violated('I3', `${shortOf(taskId)} is here and over`)
    }
  }

  #violated(rule: string, text: string): void {
    this.#world.violated(rule, `${this.#object.name}: ${text}`)
  }
}

function firstOf(state: RegistryState, taskId: TaskId | null): Placement | undefined {
  return taskId === null ? undefined : state.placements.get(taskId)
}

function heldOn(state: RegistryState, agentId: AgentId, engineId: string): number {
  let count = 0
  for (const placement of heldBy(state, agentId)) {
    if (placement.at !== 'queued' && placement.engineId === engineId) count++
  }
  return count
}

function canTake(
  state: RegistryState,
  agentId: AgentId,
  requirements: Requirements,
  engine: AgentRecord['hello']['engines'][number],
): boolean {
  const fit = fits(requirements, engine)
  return fit.fits && hasMemory(state, agentId, { engine, model: fit.model })
}

/** One that was asked in vain is left alone for a while; its wake is checked with the alarm. */
function isFree(state: RegistryState, agent: AgentRecord): boolean {
  const { session, draining, cordoned, quietUntilMs } = agent
  const isThere = session !== null && draining === null && cordoned === null && quietUntilMs === 0
  return isThere && (state.held.get(agent.id)?.size ?? 0) < agent.hello.slots
}

/** Offers do not survive, nor what agents said last of their models; who waits, who holds what and what is over does. */
function survivorsOf(state: RegistryState): unknown {
  const tasks = new Map<TaskId, unknown>()
  for (const [taskId, placement] of state.placements) {
    const { fence } = placement.dispatch
    const holder = placement.at === 'granted' ? `${placement.agentId} ${placement.engineId}` : null
    tasks.set(taskId, { fence, holder })
  }
  // A start is not kept: the grant itself tells that nobody knows of it.
  const kept = Array.from(state.outbox.keys()).filter((id) => !id.startsWith('started:'))
  const outbox = new Map(kept.map((id) => [id, state.outbox.get(id)?.effect]))
  const agents = new Map(
    Array.from(state.agents.values(), ({ id, hello, draining, cordoned }) => [
      id,
      { hello, draining, cordoned },
    ]),
  )
  return { tasks, over: new Map(state.over), outbox, agents, waiting: state.waiting }
}
