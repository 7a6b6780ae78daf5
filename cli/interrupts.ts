/** Ctrl-C in two steps: the first one lets go, the second one means it. SIGTERM and SIGHUP only let go. */
export interface Interrupts {
  readonly first: AbortSignal
  readonly second: AbortSignal
  /** A terminal's Ctrl-C came, so a second may follow. */
  readonly mayRepeat: () => boolean
}

export function listenForInterrupts(): Interrupts {
  const [first, second] = [new AbortController(), new AbortController()]
  let mayRepeat = false
  process.on('SIGINT', () => {
    if (first.signal.aborted) second.abort()
    mayRepeat = true
    first.abort()
  })
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => first.abort())
  return { first: first.signal, second: second.signal, mayRepeat: () => mayRepeat }
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
