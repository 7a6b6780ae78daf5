import type { ModelOperationView, OrderProgress, OrderState } from '#protocol/model-order.ts'
import type { Operation } from './operations.ts'
import type { RegistryState } from './state.ts'

/**
 * What the orders of an operation come to. A fleet has thousands of orders and each says how far it is every second, so the
 * sums are kept in step one order at a time. Pure.
 */
export interface OrderSums {
  /** How many orders are in each state. */
  readonly counts: Readonly<Record<OrderState, number>>
  readonly bytesDone: number
  readonly bytesTotal: number
  /** Orders that do not know their own total yet. */
  readonly unsized: number
}

const NONE: OrderSums = {
  counts: { queued: 0, pulling: 0, verifying: 0, loading: 0, completed: 0, failed: 0, cancelled: 0 },
  bytesDone: 0,
  bytesTotal: 0,
  unsized: 0,
}

/** Of one that is there: as they are kept. */
export function keptSums({ orderSums }: RegistryState, { id, orders }: Operation): OrderSums {
  return orderSums.get(id) ?? sumsOf(Object.values(orders))
}

export function sumsOf(orders: Iterable<OrderProgress>): OrderSums {
  let sums = NONE
  for (const order of orders) sums = added(sums, order, 1)
  return sums
}

/** The sums after one order went from `before` to `after`. */
export function moved(sums: OrderSums, before: OrderProgress, after: OrderProgress): OrderSums {
  return added(added(sums, before, -1), after, 1)
}

/** Over when each order is, cancelled when one of them was, and good when all of them are. */
export function stateOf({ counts }: OrderSums): ModelOperationView['state'] {
  const { completed, failed, cancelled, ...open } = counts
  if (Object.values(open).some((count) => count > 0)) return 'running'
  if (cancelled > 0) return 'cancelled'
  return failed > 0 ? 'failed' : 'completed'
}

/** Null while one of them does not know. */
export function bytesTotal({ bytesTotal, unsized }: OrderSums): number | null {
  return unsized > 0 ? null : bytesTotal
}

/** In whole percent; null while it is not known, or where there is nothing to fetch. */
export function percentOf(sums: OrderSums): number | null {
  const total = bytesTotal(sums)
  return total === null || total === 0 ? null : Math.min(100, Math.floor((100 * sums.bytesDone) / total))
}

function added(sums: OrderSums, { state, bytes_done, bytes_total }: OrderProgress, by: 1 | -1): OrderSums {
  return {
    counts: { ...sums.counts, [state]: sums.counts[state] + by },
    bytesDone: sums.bytesDone + by * bytes_done,
    bytesTotal: sums.bytesTotal + by * (bytes_total ?? 0),
    unsized: sums.unsized + (bytes_total === null ? by : 0),
  }
}
