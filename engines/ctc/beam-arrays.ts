import { logAdd, NOTHING } from './log-math.ts'
import type { PrefixTree } from './prefix-tree.ts'

/** The prefixes that the search holds between two frames, best first. Scores are natural logs of summed path probabilities. */
export class Beam {
  count = 0
  readonly node: Int32Array
  /** Paths that end in a blank, and paths that end in the prefix's last token. */
  readonly endsBlank: Float64Array
  readonly endsToken: Float64Array
  /** Both together; written at the start of a frame. */
  readonly either: Float64Array

  readonly #futures: Int32Array
  readonly #futureScores: Float64Array
  readonly #futureMask: number
  #generation = 0

  constructor(width: number) {
    this.node = new Int32Array(width)
    this.endsBlank = new Float64Array(width)
    this.endsToken = new Float64Array(width)
    this.either = new Float64Array(width)
    const slots = 2 ** Math.ceil(Math.log2(width * 4))
    this.#futureMask = slots - 1
    this.#futures = new Int32Array(slots * 4)
    this.#futureScores = new Float64Array(slots)
  }

  /** Only the empty prefix, with certainty; or nothing. */
  reset(count: 0 | 1 = 1): void {
    this.count = count
    this.node[0] = 0
    this.endsBlank[0] = 0
    this.endsToken[0] = NOTHING
  }

  push(node: number, endsBlank: number, endsToken: number): void {
    this.node[this.count] = node
    this.endsBlank[this.count] = endsBlank
    this.endsToken[this.count] = endsToken
    this.count += 1
  }

  forgetFutures(): void {
    this.#generation += 1
  }

  /**
   * Remembers a prefix by what matters for its future; false where one with the same future was added since `forgetFutures`
   * whose score is better by more than `gap`.
   */
  addFuture(state: number, place: number, token: number, score: number, gap: number): boolean {
    const futures = this.#futures
    let hash = Math.imul(state, 0x9e3779b1) ^ Math.imul(place, 0x85ebca6b) ^ Math.imul(token, 0xc2b2ae35)
    hash ^= hash >>> 15
    for (let slot = hash & this.#futureMask; ; slot = (slot + 1) & this.#futureMask) {
      const at = slot * 4
      if (futures[at] !== this.#generation) {
        futures[at] = this.#generation
        futures[at + 1] = state
        futures[at + 2] = place
        futures[at + 3] = token
        this.#futureScores[slot] = score
        return true
      }
      if (futures[at + 1] === state && futures[at + 2] === place && futures[at + 3] === token)
        return (this.#futureScores[slot] ?? NOTHING) - score <= gap
    }
  }
}

/** What one frame makes of the beam, before the best are kept. */
export class Candidates {
  count = 0
  readonly node: Int32Array
  readonly endsBlank: Float64Array
  readonly endsToken: Float64Array
  readonly score: Float64Array
  /** After `ranked`: candidates, best first. */
  readonly order: Int32Array

  constructor(capacity: number) {
    this.node = new Int32Array(capacity)
    this.endsBlank = new Float64Array(capacity)
    this.endsToken = new Float64Array(capacity)
    this.score = new Float64Array(capacity)
    this.order = new Int32Array(capacity)
  }

  addNew(node: number, endsToken: number): void {
    this.node[this.count] = node
    this.endsBlank[this.count] = NOTHING
    this.endsToken[this.count] = endsToken
    this.count += 1
  }

  /** The acoustic score and the words' score of each. */
  total(tree: PrefixTree): void {
    for (let index = 0; index < this.count; index++) {
      const acoustic = logAdd(this.endsBlank[index] ?? NOTHING, this.endsToken[index] ?? NOTHING)
      this.score[index] = acoustic + (tree.score[this.node[index] ?? 0] ?? 0)
    }
  }

  /** How many are within `margin` of the best; they stand sorted at the start of `order`. */
  ranked(margin: number): number {
    let best = NOTHING
    for (let index = 0; index < this.count; index++) best = Math.max(best, this.score[index] ?? NOTHING)
    let kept = 0
    for (let index = 0; index < this.count; index++)
      if ((this.score[index] ?? NOTHING) >= best - margin) this.order[kept++] = index
    this.#sort(kept)
    return kept
  }

  /** Shell sort, in place: the beam comes nearly sorted, and there are a few hundred at most. */
  #sort(count: number): void {
    const { order, score } = this
    for (const gap of GAPS) {
      for (let at = gap; at < count; at++) {
        const candidate = order[at] ?? 0
        const value = score[candidate] ?? NOTHING
        let to = at
        while (to >= gap && (score[order[to - gap] ?? 0] ?? NOTHING) < value) {
          order[to] = order[to - gap] ?? 0
          to -= gap
        }
        order[to] = candidate
      }
    }
  }
}

/** Ciura's sequence. */
const GAPS = [1750, 701, 301, 132, 57, 23, 10, 4, 1]
