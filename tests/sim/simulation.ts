import { T0 } from '../core/kit/builders.ts'
import { apply } from './apply.ts'
import { configOf, type SimConfig } from './config.ts'
import type { SimEvent } from './event.ts'
import { PRODUCT, type Product } from './product.ts'
import { Scheduler } from './scheduler.ts'
import { tail } from './tail.ts'
import { type Violation, World } from './world.ts'

/** An execution: what it began with, and everything that happened before the peaceful tail. */
export interface Execution {
  readonly config: SimConfig
  readonly events: readonly SimEvent[]
}

export interface Outcome extends Execution {
  readonly violation: Violation | null
  readonly world: World
  /** On the world's clock, the tail included. */
  readonly simulatedMs: number
}

/** Runs what a seed brings: so many steps, then the tail. */
export function simulate(seed: number, steps: number, product: Product = PRODUCT): Outcome {
  const config = configOf(seed)
  const world = new World(config, product)
  const scheduler = new Scheduler(world, seed)
  const events: SimEvent[] = []
  while (events.length < steps && world.violation === null) {
    const event = scheduler.next()
    if (apply(world, event)) events.push(event)
  }
  return ended(config, events, world)
}

/** Runs a list of events, passing over those that cannot happen; its outcome has those that did. */
export function replay({ config, events }: Execution, product: Product = PRODUCT, hasTail = true): Outcome {
  const world = new World(config, product)
  const happened: SimEvent[] = []
  for (const event of events) {
    if (world.violation !== null) break
    if (apply(world, event)) happened.push(event)
  }
  return ended(config, happened, world, hasTail)
}

function ended(config: SimConfig, events: readonly SimEvent[], world: World, hasTail = true): Outcome {
  if (hasTail && world.violation === null) tail(world)
  return { config, events, violation: world.violation, world, simulatedMs: world.nowMs - T0 }
}
