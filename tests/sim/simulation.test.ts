import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { replay, simulate } from './simulation.ts'
import { story } from './story.ts'

/** The fixed set of seeds. `npm run sim` walks further. */
const SEEDS = Array.from({ length: 24 }, (_, index) => index + 1)
const STEPS = 3_000
const ORDERS = [
  'orders cancelled',
  'orders ended by a cancel',
  'operations ended',
  'orders completed',
  'orders failed',
  'pulls for jobs',
]
const RARE = ['jobs told unavailable', 'orders of removed agents']

test('[L9, SIM1] whatever is lost, doubled, late, evicted, broken or a lie: every rule holds after every step', () => {
  const counts = new Map<string, number>()
  for (const seed of SEEDS) {
    const { violation, world } = simulate(seed, STEPS)
    expect(violation, `npm run sim -- --first-seed ${seed} --seeds 1 --steps ${STEPS} shows it`).toBeNull()
    for (const [name, count] of world.counts) counts.set(name, (counts.get(name) ?? 0) + count)
  }
  // A simulation in which little happens tests little.
  for (const what of ['grants', 'jobs completed', 'results accepted', 'crashes', 'losses that count']) {
    expect(counts.get(what) ?? 0, what).toBeGreaterThan(100)
  }
  for (const what of ['jobs cancelled', 'acks stale', 'acks duplicate', 'deploys', 'posts', ...ORDERS]) {
    expect(counts.get(what) ?? 0, what).toBeGreaterThan(10)
  }
  for (const what of RARE) expect(counts.get(what) ?? 0, what).toBeGreaterThan(2)
})

test('[SIM2] one seed is one execution: the same events, and the same world after them', () => {
  expect(hashOf(7)).toBe(hashOf(7))
  expect(hashOf(7)).not.toBe(hashOf(8))
})

test('[SIM3] a list of events replays as it was, and any part of it without those that then cannot happen', () => {
  const { config, events, world } = simulate(3, 1_500)
  const again = replay({ config, events })
  expect(again.events).toEqual(events)
  expect([...again.world.counts]).toEqual([...world.counts])
  const half = replay({ config, events: events.filter((_event, index) => index % 3 !== 1) })
  expect(half.events.length).toBeGreaterThan(0)
  expect(half.events.length).toBeLessThan(events.length)
  expect(half.violation).toBeNull()
})

test('[SIM5] an execution is told in words, one line an event, and what came of it', () => {
  const { config, events } = simulate(3, 200)
  const lines = story({ config, events })
  expect(lines.length).toBeGreaterThan(events.length)
  expect(lines.slice(0, events.length).every((line) => /^ +\d+ ms {2}\S/.test(line))).toBe(true)
  expect(lines.at(-1)).toBe('all rules held')
})

function hashOf(seed: number): string {
  const { events, world, simulatedMs } = simulate(seed, STEPS)
  const jobs = [...world.jobs.values()].map(({ name, watch }) => [name, watch.job?.status, watch.job?.seq])
  const trace = JSON.stringify([events, simulatedMs, jobs, [...world.counts]])
  return createHash('sha256').update(trace).digest('hex')
}
