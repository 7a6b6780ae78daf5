import { readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { shrink } from './shrink.ts'
import { type Execution, type Outcome, replay, simulate } from './simulation.ts'
import { story } from './story.ts'
import type { Violation } from './world.ts'

/** `npm run sim -- [--seeds N] [--steps N] [--first-seed N]`, or `--replay FILE`: exit 1 when a rule was broken. */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    steps: { type: 'string', default: '20000' },
    'first-seed': { type: 'string', default: '1' },
    replay: { type: 'string' },
  },
})

if (values.replay === undefined) {
  run(wholeNumber('first-seed'), wholeNumber('seeds'), wholeNumber('steps'))
} else {
  // Written by `report` below.
  const execution = JSON.parse(readFileSync(values.replay, 'utf8')) as Execution
  console.log(story(execution).join('\n'))
  if (replay(execution).violation !== null) process.exitCode = 1
}

function run(first: number, seeds: number, steps: number): void {
  const counts = new Map<string, number>()
  const beganMs = performance.now()
  for (let seed = first; seed < first + seeds; seed++) {
    const outcome = simulate(seed, steps)
    if (outcome.violation !== null) {
      report(outcome, outcome.violation)
      return
    }
    add(counts, 'steps', outcome.events.length)
    add(counts, 'simulated hours', outcome.simulatedMs / 3_600_000)
    for (const [name, count] of outcome.world.counts) add(counts, name, count)
    for (const event of outcome.events) add(counts, `event: ${event.do}`, 1)
  }
  const seconds = (performance.now() - beganMs) / 1000
  const stepUs = (seconds * 1e6) / (counts.get('steps') ?? 1)
  console.log(`${seeds} seeds from ${first}: all rules held.`)
  console.log(`${(seeds / seconds).toFixed(2)} seeds a second, ${stepUs.toFixed(1)} µs a step\n`)
  for (const [name, count] of [...counts].sort()) {
    console.log(`${Math.round(count).toLocaleString('en').padStart(12)}  ${name}`)
  }
}

function report(outcome: Outcome, { rule, text }: Violation): void {
  const { seed } = outcome.config
  console.log(`seed ${seed} broke [${rule}] ${text}`)
  console.log(`after ${outcome.events.length} events; looking for a shorter list that does the same ...\n`)
  const shortest = shrink(outcome, rule)
  const path = join(tmpdir(), `dalston-sim-${seed}-${rule}.json`)
  writeFileSync(path, JSON.stringify({ config: shortest.config, events: shortest.events }, null, 1))
  console.log(story(shortest).join('\n'))
  console.log(`\n${shortest.events.length} events; again: npm run sim -- --replay ${path}`)
  process.exitCode = 1
}

function add(counts: Map<string, number>, name: string, more: number): void {
  counts.set(name, (counts.get(name) ?? 0) + more)
}

function wholeNumber(name: 'seeds' | 'steps' | 'first-seed'): number {
  const number = Number(values[name])
  if (Number.isInteger(number) && number > 0) return number
  console.error(`sim: expected --${name} to be a whole number above 0, got ${values[name]}`)
  process.exit(2)
}
