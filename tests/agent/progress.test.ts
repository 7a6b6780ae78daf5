import { expect, it } from 'vitest'
import { dueAtMs, FRESH_THROTTLE, offerReport, type Report, sentReport } from '#agent/progress.ts'

const at = (percent: number, text?: string): Report => ({
  progress: { percent, message: null },
  partial: text === undefined ? null : { revision: 1, start: 0, end: 1, text },
})

it('[A18] the first report is due at once', () => {
  expect(dueAtMs(offerReport(FRESH_THROTTLE, at(0)))).toBe(0)
})

it('[A18] the next one is due a second after the last that was sent', () => {
  expect(dueAtMs(offerReport(sentReport(5_000), at(10)))).toBe(6_000)
})

it('[A18] nothing is due when nothing waits', () => {
  expect(dueAtMs(sentReport(5_000))).toBe(Number.POSITIVE_INFINITY)
})

it('[A18] of several that wait the last one wins, and text is not lost to a report without text', () => {
  const waiting = offerReport(offerReport(sentReport(0), at(10, 'hello')), at(20))
  expect(waiting.pending).toEqual({
    progress: { percent: 20, message: null },
    partial: at(0, 'hello').partial,
  })
})
