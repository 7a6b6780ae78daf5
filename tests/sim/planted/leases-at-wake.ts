import { PRODUCT, type Product } from '../product.ts'

/** Planted: a load does not begin leases anew, so what was not extended on disk ends at the first wake. */
export const leasesAtWake: Product = {
  ...PRODUCT,
  loadRegistry: (records, connected, nowMs, pongs) => {
    const { state, changes } = PRODUCT.loadRegistry(records, connected, nowMs, pongs)
    for (const placement of state.placements.values()) {
      if (placement.at !== 'granted') continue
      const { taskId } = placement.dispatch
      state.placements.set(taskId, { ...placement, leaseUntilMs: nowMs })
      state.deadlines.set(taskId, nowMs)
    }
    return { state, changes }
  },
}
