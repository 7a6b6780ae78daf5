import { expect, test } from 'vitest'
import { isTerminal } from '#protocol/job.ts'
import { T0 } from './kit/builders.ts'
import { World } from './kit/world.ts'

/**
 * Jobs, Registry and agents together, in a world that loses, doubles and reorders, for some minutes of its own time; then
 * the faults stop. Run one seed again with WALK_SEED=<seed>; WALK_COUNT=<n> walks longer.
 */
const FAULTS_MS = 180_000
const PEACE_MS = 1_800_000
const seed = Number(process.env.WALK_SEED ?? 0)
const count = Number(process.env.WALK_COUNT ?? 40)
const seeds = seed > 0 ? [seed] : Array.from({ length: count }, (_, index) => index + 1)

function walk(number: number): World {
  const world = new World(number, 3)
  try {
    for (let job = 1; job <= 5; job++) {
      world.after(world.between(0, 60_000), () => world.submit(job))
      if (world.chance(0.2)) {
        world.after(world.between(60_000, 150_000), () =>
          [...world.jobs.values()][job - 1]?.handle({ type: 'cancel' }),
        )
      }
    }
    world.run(T0 + FAULTS_MS)
    world.faults = false
    world.run(T0 + FAULTS_MS + PEACE_MS, () => world.jobs.size === 5 && world.isOver)
    if (!world.isOver) throw new Error('broken: jobs are open half an hour after the faults stopped')
    return world
  } catch (cause) {
    const story = world.story.join('\n')
    throw new Error(`the walk with seed ${number} broke a rule; WALK_SEED=${number} replays it.\n${story}`, {
      cause,
    })
  }
}

test('[L9] whatever is lost, doubled, late, evicted or broken: each job ends once, and no fence has two holders', () => {
  const ends = new Map<string, number>()
  for (const number of seeds) {
    for (const { state } of walk(number).jobs.values()) {
      const status = state.job?.status ?? 'pending'
      expect(isTerminal(status)).toBe(true)
      ends.set(status, (ends.get(status) ?? 0) + 1)
    }
  }
  // A walk in which nothing completes, or nothing ever fails, tests little.
  if (seeds.length > 1)
    expect(Math.min(ends.get('completed') ?? 0, ends.get('cancelled') ?? 0)).toBeGreaterThan(0)
})
