import { describe, expect, it } from 'vitest'
import { backoffMs, RECONNECT_LIMITS, retryAfterMs, triesAfterLoss } from '#agent/backoff.ts'

describe('[A6] waits are full jitter: from 1 s, growing by half to 60 s', () => {
  it.each([
    { tries: 0, random: 0.5, waitMs: 500 },
    { tries: 1, random: 0.5, waitMs: 750 },
    { tries: 4, random: 0.5, waitMs: 2_531.25 },
    { tries: 11, random: 0.5, waitMs: 30_000 },
    { tries: 1_000, random: 0.5, waitMs: 30_000 },
    { tries: 6, random: 0, waitMs: 0 },
  ])('after $tries tries with $random: $waitMs ms', ({ tries, random, waitMs }) => {
    expect(backoffMs(tries, random, RECONNECT_LIMITS)).toBe(waitMs)
  })

  it('Retry-After is the least wait, with the jitter of the base on top', () => {
    expect(backoffMs(9, 0.25, RECONNECT_LIMITS, 7_000)).toBe(7_250)
  })

  it('a Retry-After of a day is not believed', () => {
    expect(backoffMs(0, 0, RECONNECT_LIMITS, 86_400_000)).toBe(3_600_000)
  })
})

describe('[A6] only a connection that held 10 s resets the count', () => {
  it.each([
    { heldMs: null, tries: 4 },
    { heldMs: 9_999, tries: 4 },
    { heldMs: 10_000, tries: 0 },
  ])('held $heldMs ms: $tries tries', ({ heldMs, tries }) => {
    expect(triesAfterLoss(3, heldMs)).toBe(tries)
  })
})

describe('[A6] Retry-After comes as seconds or as a date', () => {
  const nowMs = Date.parse('2026-01-01T00:00:00Z')
  it.each([
    { header: undefined, waitMs: null },
    { header: '12', waitMs: 12_000 },
    { header: 'Thu, 01 Jan 2026 00:00:05 GMT', waitMs: 5_000 },
    { header: 'Wed, 31 Dec 2025 00:00:00 GMT', waitMs: 0 },
    { header: 'soon', waitMs: null },
  ])('$header is $waitMs', ({ header, waitMs }) => {
    expect(retryAfterMs(header, nowMs)).toBe(waitMs)
  })
})
