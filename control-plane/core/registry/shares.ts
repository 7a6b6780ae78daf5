/**
 * How much work each key had done, as start-time fair queueing counts it (Goyal, Vin, Cheng 1996): a task of a key
 * starts at virtual time max(the key's own, the pool's), and moves the key on by its work. A key that comes back after a
 * pause has saved nothing up, and owes nothing.
 */
export class Shares {
  readonly #virtualMs = new Map<string, number>()
  #poolMs = 0
  #sweepFrom = MAX_SHARES

  virtualMs(share: string): number {
    return Math.max(this.#virtualMs.get(share) ?? 0, this.#poolMs)
  }

  /** The key that had the least; null for none. */
  least(shares: Iterable<string>): string | null {
    let best: string | null = null
    let leastMs = Number.POSITIVE_INFINITY
    for (const share of shares) {
      const virtualMs = this.virtualMs(share)
      if (virtualMs >= leastMs) continue
      best = share
      leastMs = virtualMs
    }
    return best
  }

  /** A task of the key is given to an agent. */
  serve(share: string, workMs: number): void {
    const startMs = this.virtualMs(share)
    this.#poolMs = startMs
    this.#virtualMs.set(share, startMs + workMs)
    if (this.#virtualMs.size > this.#sweepFrom) this.#forgetIdle()
  }

  /** An offer came to nothing: the work was not done. */
  refund(share: string, workMs: number): void {
    const virtualMs = this.#virtualMs.get(share)
    if (virtualMs !== undefined) this.#virtualMs.set(share, virtualMs - workMs)
  }

  #forgetIdle(): void {
    for (const [share, virtualMs] of this.#virtualMs) {
      if (virtualMs <= this.#poolMs) this.#virtualMs.delete(share)
    }
    this.#sweepFrom = Math.max(MAX_SHARES, 2 * this.#virtualMs.size)
  }
}

/** Keys beyond this many are swept of those that are not ahead of the pool: they count like new ones anyway. */
const MAX_SHARES = 10_000
