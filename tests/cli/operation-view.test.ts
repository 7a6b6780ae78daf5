import { expect, test } from 'vitest'
import { operationLines, waitsForAbsent } from '#cli/operation-view.ts'
import { anOperation, type Part } from './kit/operations.ts'

test('[CLI33] on a terminal: one bar for all, a line for each agent', () => {
  const view = anOperation(
    'running',
    { bytes_done: 500_000_000 },
    { connected: false, state: 'queued', bytes_total: 1_000_000_000 },
  )
  expect(operationLines(view)).toEqual([
    `${'█'.repeat(6)}${'░'.repeat(18)}  25 %  whisper-base  500 MB of 2.0 GB`,
    '  box-1  pulling  500 MB of 1.0 GB',
    '  box-2  queued, it is not connected: it goes on when it is back',
  ])
})

test('[CLI33] of more agents than lines, those that need looking at and how many more there are', () => {
  const done = Array.from({ length: 40 }, () => ({ state: 'completed', bytes_done: 1e9 }) as const)
  const view = anOperation('running', ...done, ...Array.from({ length: 30 }, () => ({})))
  const lines = operationLines({ ...view, counts: { ...view.counts, completed: 4_940 } })
  expect(lines.length).toBe(22)
  expect(lines[1]).toBe('  box-41  pulling  0 B of 1.0 GB')
  expect(lines.at(-1)).toBe('  and 4950 more: 30 pulling, 4940 completed in all')
})

const absentees: [string, Part[], boolean][] = [
  ['one that pulls', [{}], false],
  ['one that is away', [{ connected: false }], true],
  ['one that is away, one that is done', [{ connected: false }, { state: 'completed' }], true],
  ['one that is away, one that pulls', [{ connected: false }, {}], false],
]
test.each(absentees)(
  '[CLI41] what is left is for agents that are not connected: %s',
  (_name, agents, expected) => {
    expect(waitsForAbsent(anOperation('running', ...agents))).toBe(expected)
  },
)

test('[CLI41] an operation that is over waits for nobody', () => {
  expect(waitsForAbsent(anOperation('failed', { connected: false, state: 'failed' }))).toBe(false)
})
