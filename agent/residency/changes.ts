/** Those who wait for a change, in their order: each is woken by every one, looks again, and may wait again. */
export class Changes {
  readonly #waiters = new Set<() => void>()

  /** Resolves at the next change, or when the signal aborts. */
  next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiters.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiters.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }

  tell(): void {
    for (const wake of [...this.#waiters]) wake()
  }
}

/** A child that is blocked unloads nothing until it is free: who is cancelled does not wait for that. */
export async function orAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>()
  const stop = () => aborted.resolve()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  await Promise.race([work, aborted.promise])
  signal.removeEventListener('abort', stop)
}
