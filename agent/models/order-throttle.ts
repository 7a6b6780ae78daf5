import type { OrderProgress } from '#protocol/model-order.ts'

/** What was sent of an order, and when. */
export interface SentProgress {
  readonly progress: OrderProgress
  readonly atMs: number
}

/** As fast as an eye follows a bar, and cheap for a registry with many agents. */
export const PROGRESS_INTERVAL_MS = 1_000

/** A change of state goes at once; bytes at most once a second. What is held back is in the next one. Pure. */
export function isDue(sent: SentProgress | null, progress: OrderProgress, nowMs: number): boolean {
  return (
    sent === null ||
    sent.progress.state !== progress.state ||
    (sent.progress.bytes_total === null && progress.bytes_total !== null) ||
    nowMs - sent.atMs >= PROGRESS_INTERVAL_MS
  )
}
