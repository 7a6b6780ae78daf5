export interface BatchLimits {
  readonly mostItems: number
  /** Of a batch with all items as long as its longest. */
  readonly mostSeconds: number
}

/**
 * Puts items of like length together, longest first, so that little is computed for padding. An item longer than the limit
 * is a batch of its own. Pure.
 */
export function batchesByLength<Item extends { readonly seconds: number }>(
  items: readonly Item[],
  limits: BatchLimits,
): Item[][] {
  const batches: Item[][] = []
  for (const item of items.toSorted((a, b) => b.seconds - a.seconds)) {
    const batch = batches.at(-1)
    const longest = batch?.[0]?.seconds ?? 0
    const fits =
      batch !== undefined &&
      batch.length < limits.mostItems &&
      (batch.length + 1) * longest <= limits.mostSeconds
    if (fits) batch.push(item)
    else batches.push([item])
  }
  return batches
}
