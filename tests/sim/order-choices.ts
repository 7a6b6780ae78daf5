import { type ModelAction, ModelAction as ModelActions } from '#protocol/model-order.ts'
import { isOver } from './agent-orders.ts'
import { ORDER_NEWS, type SimEvent } from './event.ts'
import { MODELS } from './models.ts'
import { numberOf } from './names.ts'
import type { World } from './world.ts'

/** More would only wait. */
const MOST_OPEN = 5
/** What is pulled goes again as often, or soon nothing would be left to pull. */
const ACTIONS: readonly ModelAction[] = ['pull', 'remove', 'remove', ...ModelActions.options]

/** Chooses what operators and agents do about models. */
export class OrderChoices {
  readonly #world: World
  readonly #random: () => number
  readonly #begun: Extract<SimEvent, { do: 'begin' }>[] = []

  constructor(world: World, random: () => number) {
    this.#world = world
    this.#random = random
  }

  /** Now and then a call comes twice. */
  begin(): SimEvent | null {
    if (this.#random() < 0.1) return this.#begun.at(-1) ?? null
    const open = [...this.#world.registry.watch.operations.begun.values()].filter(({ end }) => end === null)
    if (open.length >= MOST_OPEN) return null
    const draw = this.#random()
    const target = draw < 0.2 ? 'fleet' : draw < 0.4 ? 'label' : 1 + this.#below(this.#world.agents.length)
    const wanted = this.#random() < 0.4 ? this.#wanted() : null
    const event = {
      do: 'begin',
      operation: this.#begun.length + 1,
      action: wanted === null ? (this.#pick(ACTIONS) ?? 'pull') : 'pull',
      model: wanted ?? this.#below(MODELS.length),
      target,
    } as const
    this.#begun.push(event)
    return event
  }

  /** Now and then one that is over, or was begun for a job. */
  cancel(): SimEvent | null {
    const begun = [...this.#world.registry.watch.operations.begun]
    const open = begun.filter(([, { end }]) => end === null)
    const [id] = this.#pick(this.#random() < 0.2 ? begun : open) ?? []
    return id === undefined ? null : { do: 'cancel operation', operation: numberOf(id) }
  }

  /** An agent gets on with what it was ordered. */
  news(): SimEvent | null {
    const agent = this.#pick(this.#world.agents.filter(({ isRunning }) => isRunning))
    const orders = [...(agent?.orders.known.values() ?? [])]
    const open = orders.filter((known) => !isOver(known))
    const isOld = open.length === 0 || this.#random() < 0.1
    // What it says again may be long over.
    const known = isOld ? this.#pick(orders.slice(-5)) : this.#pick(open)
    if (agent === null || known === null || (isOld && this.#random() < 0.8)) return null
    const what = isOld ? 'again' : this.#what()
    const about = { do: 'order', agent: agent.number, operation: numberOf(known.order.operation_id) } as const
    return what === 'pulling' ? { ...about, what, percent: this.#below(101) } : { ...about, what }
  }

  /** About any order that there was, its own or not. */
  lie(): SimEvent | null {
    const id = this.#pick([...this.#world.registry.watch.operations.begun.keys()].slice(-6))
    const agent = this.#pick(this.#world.agents)
    if (id === null || agent === null) return null
    return {
      do: 'lie of order',
      agent: agent.number,
      operation: numberOf(id),
      model: this.#below(MODELS.length),
      state: this.#pick(['pulling', 'completed', 'failed'] as const) ?? 'pulling',
    }
  }

  /** A model that a job waits for; null when none does. */
  #wanted(): number | null {
    const waiting = [...(this.#world.registry.state?.waiting.values() ?? [])]
    const pulls = this.#pick(waiting.flatMap(({ parameters }) => parameters.models.transcribe ?? []))
    const at = pulls === null ? -1 : MODELS.indexOf(pulls)
    return at < 0 ? null : at
  }

  #what(): (typeof ORDER_NEWS)[number] {
    const draw = this.#random()
    if (draw < 0.4) return 'pulling'
    if (draw < 0.57) return 'completed'
    return draw < 0.75 ? 'failed' : (this.#pick(ORDER_NEWS.slice(1, 3)) ?? 'verifying')
  }

  #pick<Item>(items: readonly Item[]): Item | null {
    return items[this.#below(items.length)] ?? null
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }
}
