import { expect, test } from 'vitest'
import { connectedAt } from '#objects/connected-at.ts'

test('[R23] of two connections the later one is newer, also within a millisecond and when the clock was set back', () => {
  expect(connectedAt(1_000, [])).toBe(1_000)
  expect(connectedAt(1_000, [{ connectedAtMs: 400 }])).toBe(1_000)
  expect(connectedAt(1_000, [{ connectedAtMs: 1_000 }, { connectedAtMs: 400 }])).toBe(1_001)
  expect(connectedAt(1_000, [{ connectedAtMs: 9_000 }])).toBe(9_001)
})
