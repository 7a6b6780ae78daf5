import type { Partial, Progress } from '#protocol/task.ts'

/**
 * Which of an engine's reports are sent: the first, the last, and at most one a second between. Pure; the session asks
 * `dueAtMs` for its next wake and takes the report when it is due.
 */
export interface Report {
  readonly progress: Progress
  readonly partial: Partial | null
}

export interface Throttle {
  readonly sentAtMs: number | null
  readonly pending: Report | null
}

/** One report a second is as fast as a reader's eye follows a bar, and cheap for a registry with hundreds of tasks. */
export const REPORT_INTERVAL_MS = 1_000

export const FRESH_THROTTLE: Throttle = { sentAtMs: null, pending: null }

/** The newest values win, each for itself: a report without text keeps the text that waits. */
export function offerReport(throttle: Throttle, report: Report): Throttle {
  return {
    ...throttle,
    pending: { progress: report.progress, partial: report.partial ?? throttle.pending?.partial ?? null },
  }
}

/** When the waiting report may go; Infinity when none waits. */
export function dueAtMs(throttle: Throttle): number {
  if (throttle.pending === null) return Number.POSITIVE_INFINITY
  return throttle.sentAtMs === null ? 0 : throttle.sentAtMs + REPORT_INTERVAL_MS
}

/** The throttle after its report was sent. */
export function sentReport(nowMs: number): Throttle {
  return { sentAtMs: nowMs, pending: null }
}
