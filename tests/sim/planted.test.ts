import { expect, test } from 'vitest'
import { PLANTED, type Planted } from './planted/list.ts'
import { shrink } from './shrink.ts'
import { type Outcome, replay, simulate } from './simulation.ts'
import { story } from './story.ts'

/** Bugs that are put in on purpose: a simulation that does not find them proves nothing when it finds none. */
const SEEDS = 24
const STEPS = 3_000
const MOST_EVENTS = 40
const SHORT_EVENTS = 1_000

test.each(PLANTED)('[SIM4] $what: it is found, and told in at most 40 events', (planted) => {
  const { product, rule } = planted
  const found = find(planted)
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
/** Of the seeds in which this very rule is the first to break a short one: it is shortened in less time. */
function find({ product, rule }: Planted): Outcome {
  let shortest: Outcome | null = null
  for (let seed = 1; seed <= SEEDS; seed++) {
    const outcome = simulate(seed, STEPS, product)
    if (outcome.violation?.rule !== rule) continue
    if (shortest === null || outcome.events.length < shortest.events.length) shortest = outcome
    if (shortest.events.length <= SHORT_EVENTS) return shortest
  }
  if (shortest === null) throw new Error(`none of ${SEEDS} seeds found it`)
  return shortest
}
