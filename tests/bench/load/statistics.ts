/** The value below which so many of a hundred lie. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((percent / 100) * sorted.length))] ?? Number.NaN
}

/** Runs `work` again and again on so many lanes at once until `untilMs` of `performance.now()`; how often it was done. */
export async function lanes(count: number, untilMs: number, work: () => Promise<unknown>): Promise<number> {
  let done = 0
  const lane = async () => {
    while (performance.now() < untilMs) {
      await work()
      done++
    }
  }
  await Promise.all(Array.from({ length: count }, lane))
  return done
}

/** Does `work` for each item, so many at once. */
export async function each<Item>(
  items: Iterable<Item>,
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]()
  const lane = async () => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
}
