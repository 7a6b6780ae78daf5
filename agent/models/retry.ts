import { type BackoffLimits, backoffMs } from '../backoff.ts'
import { HubError } from './hub-error.ts'

export interface RetryOptions {
  readonly limits: BackoffLimits
  readonly random: () => number
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly nowMs: () => number
  readonly signal: AbortSignal
  /** In a row, without a new byte. */
  readonly tries: number
}

/** For a hub after which there is another one. */
export const TRIES_BEFORE_A_MIRROR = 3
/** With the waits between them about a minute and a half. */
export const TRIES_WITHOUT_PROGRESS = 8

/** Of a hub where nobody ever was: with the waits between them at most seven seconds, as long as somebody looks on. */
export const TRIES_TO_FIND = 4
/** A name server may take long to say that it knows nobody. */
export const PATIENCE_TO_FIND_MS = 8_000

/** Mobile and office networks drop connections for seconds; a hub that is down is down for longer than anyone waits. */
export const PULL_BACKOFF: BackoffLimits = { baseMs: 1_000, capMs: 30_000 }

/**
 * Repeats what a hub may still answer. A try that brought bytes begins the count anew: a slow line that drops each minute
 * still ends, a dead one does not hang for ever.
 */
export async function retry<T>(
  once: () => Promise<T>,
  options: RetryOptions,
  bytesNow: () => number = () => 0,
): Promise<T> {
  let tries = 0
  const beganMs = options.nowMs()
  for (;;) {
    const before = bytesNow()
    try {
      return await once()
    } catch (error) {
      options.signal.throwIfAborted()
      if (!(error instanceof HubError) || !error.again) throw error
      tries = bytesNow() > before ? 1 : tries + 1
      if (isGivenUp(error, { tries, mostTries: options.tries, forMs: options.nowMs() - beganMs })) throw error
      const waitMs = backoffMs(tries - 1, options.random(), options.limits, error.retryAfterMs)
      await options.sleep(waitMs, options.signal)
      options.signal.throwIfAborted()
    }
  }
}

/** After so many tries in a row, for so long. Pure. */
export function isGivenUp(
  { isAbsent }: Pick<HubError, 'isAbsent'>,
  { tries, mostTries, forMs }: { readonly tries: number; readonly mostTries: number; readonly forMs: number },
): boolean {
  if (tries >= mostTries) return true
  return isAbsent && (tries >= TRIES_TO_FIND || forMs >= PATIENCE_TO_FIND_MS)
}
