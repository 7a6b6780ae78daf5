import { parseArgs } from 'node:util'
import { simulate } from './simulation.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    steps: { type: 'string', default: '20000' },
    'first-seed': { type: 'string', default: '1' },
  },
})
const first = Number(values['first-seed'])
for (let seed = first; seed < first + Number(values.seeds); seed++) {
  const began = performance.now()
  const { violation, world, events } = simulate(seed, Number(values.steps))
  const ms = performance.now() - began
  console.log(
    seed,
    events.length,
    (world.nowMs - Date.UTC(2025, 0, 1)) / 1000,
    `${((ms * 1000) / events.length).toFixed(1)}us`,
    world.agents.length,
    violation?.rule,
    violation?.text.slice(0, 1500),
  )
  if (values.seeds === '1') console.log(Object.fromEntries([...world.counts].sort()))
}
