import type { Emission, Encoded } from './emission.ts'

/** Tokens of the items of a batch. */
export interface GreedySearch {
  /** `between` is called often, at least every second or so: it may throw to end the search. */
  search(encoded: Encoded, between: () => Promise<void>): Promise<Emission[][]>
  release(): Promise<void>
}
