/** How often and how long to wait before trying again: full jitter, so that many clients do not return at once. */
export interface RetryPolicy {
  readonly attempts: number
  readonly baseMs: number
  readonly capMs: number
}

/** One request: a hiccup is bridged, a server that is not there is reported within about two seconds. */
export const REQUEST_RETRY: RetryPolicy = { attempts: 4, baseMs: 250, capMs: 2_000 }

/** Long work, an event stream or an upload in parts: a restart of the server is bridged, about half a minute. */
export const PATIENT_RETRY: RetryPolicy = { attempts: 10, baseMs: 250, capMs: 8_000 }

/** The wait before try number `attempt` (from 1); `random` is in [0, 1). */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: number): number {
  return Math.floor(random * Math.min(policy.capMs, policy.baseMs * 2 ** attempt))
}

/** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
export function wait(delayMs: number, signal: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, delayMs)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
