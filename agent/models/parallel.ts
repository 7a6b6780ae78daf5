/**
 * Works on items, a few at a time. With the first failure `stop` is aborted, the others end, and that failure is thrown: when
 * this returns nothing of it runs any more.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  atOnce: number,
  stop: AbortController,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const waiting = [...items.entries()]
  const workers = Array.from({ length: Math.min(atOnce, items.length) }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      stop.signal.throwIfAborted()
      const [index, item] = next
      results[index] = await work(item)
    }
  })
  const ends = workers.map((worker) => worker.catch((error: unknown) => stop.abort(error)))
  await Promise.all(ends)
  stop.signal.throwIfAborted()
  return results
}
