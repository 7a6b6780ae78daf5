import { expect, test } from 'vitest'
import { PLANTED, type Planted } from './planted/list.ts'
import { shrink } from './shrink.ts'
import { type Outcome, replay, simulate } from './simulation.ts'
import { story } from './story.ts'

/** Bugs that are put in on purpose: a simulation that does not find them proves nothing when it finds none. */
const SEEDS = 24
const STEPS = 3_000
const MOST_EVENTS = 40

test.each(PLANTED)('[SIM4] $what: it is found, and told in at most 40 events', ({ product, rule }) => {
  const found = find(product, rule)
  const shortest = shrink(found, rule, product)
  expect(shortest.events.length).toBeLessThanOrEqual(MOST_EVENTS)
  const again = replay(shortest, product)
  expect(again.violation?.rule).toBe(rule)
  expect(again.events).toEqual(shortest.events)
  expect(story(shortest, product).at(-1)).toContain(`broken: [${rule}]`)
  // It is the bug that breaks the rule, not the list.
  expect(replay(shortest).violation).toBeNull()
})

/** A bug may break several rules; the seed is looked for in which this one is broken first. */
function find(product: Planted['product'], rule: Planted['rule']): Outcome {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const outcome = simulate(seed, STEPS, product)
    if (outcome.violation?.rule === rule) return outcome
  }
  throw new Error(`none of ${SEEDS} seeds found it`)
}
