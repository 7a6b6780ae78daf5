import { expect, test } from 'vitest'
import { PLANTED, type Planted } from './planted/list.ts'
import { shrink } from './shrink.ts'
import { type Execution, replay, simulate } from './simulation.ts'
import { story } from './story.ts'

/** Bugs that are put in on purpose: a simulation that does not find them proves nothing when it finds none. */
const SEEDS = 24
const STEPS = 3_000
const MOST_EVENTS = 40

test.each(PLANTED)('[SIM4] $what: it is found, and told in at most 40 events', (planted) => {
  const { product, rule } = planted
  const shortest = find(planted)
  expect(shortest.events.length).toBeLessThanOrEqual(MOST_EVENTS)
  const again = replay(shortest, product)
  expect(again.violation?.rule).toBe(rule)
  expect(again.events).toEqual(shortest.events)
  expect(story(shortest, product).at(-1)).toContain(`broken: [${rule}]`)
  // It is the bug that breaks the rule, not the list.
  expect(replay(shortest).violation).toBeNull()
})

/**
 * A bug may break several rules: of the seeds in which this very one is broken first, those with the shortest lists are
 * shortened first. One that does not become short has other tasks in the way, all of which would have to go at once.
 */
function find({ product, rule }: Planted): Execution {
  const outcomes = Array.from({ length: SEEDS }, (_, index) => simulate(index + 1, STEPS, product))
    .filter(({ violation }) => violation?.rule === rule)
    .sort((a, b) => a.events.length - b.events.length)
  let shortest: Execution | null = null
  for (const outcome of outcomes) {
    const found = shrink(outcome, rule, product)
    if (shortest === null || found.events.length < shortest.events.length) shortest = found
    if (shortest.events.length <= MOST_EVENTS) break
  }
  if (shortest === null) throw new Error(`none of ${SEEDS} seeds found it`)
  return shortest
}
