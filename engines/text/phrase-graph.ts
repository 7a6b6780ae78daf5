import { PairTable } from './pair-table.ts'

/** A phrase as its words, a word as its tokens. */
export type Phrase = readonly (readonly number[])[]

/** At a word's start, where nothing has begun. */
const START = 0
/** Inside a word that no phrase has there. */
const OUTSIDE = 1

/**
 * Hot words as an automaton over tokens: every phrase from the start of a word to the end of one, all of them watched at once
 * (Aho–Corasick, whose suffixes begin at words). Each letter of a phrase that may be being written is a bonus at once, so
 * that a search does not lose the phrase before its end; the bonus is taken back when the text goes on otherwise, and stays
 * when the phrase's last word ends. So a text's sum is a bonus for each letter of each phrase wherever it stands. Pure.
 */
export class PhraseGraph {
  /** The state at the start of an utterance. */
  readonly start = START
  /** The state after the last `step`. A field and not a result, so that steps make no garbage. */
  next = START
  readonly size: number

  readonly #delimiter: number
  readonly #children: PairTable
  /** What may be taken back yet. */
  readonly #open: Float64Array
  /** What stays when a word ends here. */
  readonly #kept: Float64Array
  /** The state of the longest suffix that begins at a later word. */
  readonly #suffix: Int32Array

  constructor(phrases: readonly Phrase[], delimiter: number, letterBonus: number) {
    const tree = treeOf(phrases, delimiter)
    this.size = tree.parent.length
    this.#delimiter = delimiter
    this.#children = tree.children
    this.#open = new Float64Array(this.size)
    this.#kept = new Float64Array(this.size)
    this.#suffix = new Int32Array(this.size)
    this.#suffix[START] = OUTSIDE
    for (const state of tree.breadthFirst) {
      const parent = tree.parent[state] ?? START
      const token = tree.token[state] ?? delimiter
      const suffix = parent === START ? OUTSIDE : this.#follow(this.#suffix[parent] ?? OUTSIDE, token)
      const open = (this.#open[parent] ?? 0) + (token === delimiter ? 0 : letterBonus)
      this.#suffix[state] = suffix
      this.#open[state] = open
      // With it end the phrases that its last words are.
      this.#kept[state] = (tree.ends.has(state) ? open : 0) + (this.#kept[suffix] ?? 0)
    }
  }

  /** What a token adds to the sum after `state`; `next` is the state behind it. */
  step(state: number, token: number): number {
    this.next = this.#follow(state, token)
    const kept = token === this.#delimiter ? (this.#kept[state] ?? 0) : 0
    return kept + (this.#open[this.next] ?? 0) - (this.#open[state] ?? 0)
  }

  /** The part of the sum that a text that ends in `state` gives back. */
  open(state: number): number {
    return this.#open[state] ?? 0
  }

  #follow(from: number, token: number): number {
    for (let state = from; state !== OUTSIDE; state = this.#suffix[state] ?? OUTSIDE) {
      const child = this.#children.get(state, token)
      if (child !== -1) return child
    }
    return token === this.#delimiter ? START : OUTSIDE
  }
}

interface Tree {
  readonly children: PairTable
  readonly parent: readonly number[]
  readonly token: readonly number[]
  readonly ends: ReadonlySet<number>
  readonly breadthFirst: readonly number[]
}

function treeOf(phrases: readonly Phrase[], delimiter: number): Tree {
  const children = new PairTable(1024)
  const parent = [START, START]
  const token = [delimiter, delimiter]
  const depth = [0, 0]
  const ends = new Set<number>()
  for (const phrase of phrases) {
    let state = START
    for (const one of phrase.flatMap((word, index) => (index === 0 ? word : [delimiter, ...word]))) {
      const known = children.get(state, one)
      const child = known === -1 ? parent.length : known
      if (known === -1) {
        children.set(state, one, child)
        parent.push(state)
        token.push(one)
        depth.push((depth[state] ?? 0) + 1)
      }
      state = child
    }
    if (state !== START) ends.add(state)
  }
  const states = [...parent.keys()].filter((state) => state > OUTSIDE)
  const breadthFirst = states.sort((a, b) => (depth[a] ?? 0) - (depth[b] ?? 0))
  return { children, parent, token, ends, breadthFirst }
}
