import { PRODUCT, type Product } from '../product.ts'

/** Planted: a Job that is loaded anew has forgotten one of its unanswered effects. */
export const forgottenEffect: Product = {
  ...PRODUCT,
  loadJob: (records, nowMs) => {
    const state = PRODUCT.loadJob(records, nowMs)
    const outbox = new Map(state.outbox)
    const [first] = outbox.keys()
    if (first !== undefined) outbox.delete(first)
    return { ...state, outbox }
  },
}
