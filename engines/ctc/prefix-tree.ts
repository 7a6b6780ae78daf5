const FIRST_CAPACITY = 4096

/**
 * All prefixes that a search has met, as a tree in flat arrays: node 0 is the empty one, each other node adds one token to its
 * parent. A prefix has one node, however often it leaves the beam and comes back.
 */
export class PrefixTree {
  size = 0
  parent = new Int32Array(FIRST_CAPACITY)
  /** The token that the node adds; −1 for the empty prefix. */
  token = new Int32Array(FIRST_CAPACITY)
  /** Where the unfinished word stands in the lexicon; 0 between words. */
  place = new Int32Array(FIRST_CAPACITY)
  /** The language model's state after the finished words. */
  state = new Int32Array(FIRST_CAPACITY)
  /** What the finished words score. */
  score = new Float64Array(FIRST_CAPACITY)
  /** The state of the hot words, where there are some. */
  phrase = new Int32Array(FIRST_CAPACITY)
  #firstChild = new Int32Array(FIRST_CAPACITY)
  #nextSibling = new Int32Array(FIRST_CAPACITY)

  /** Only the empty prefix, after words that `state` stands for. */
  reset(state: number): void {
    this.size = 0
    this.#write(-1, -1, 0, state, 0)
  }

  /** The node of `parent` and one token, or −1. */
  child(parent: number, token: number): number {
    let node = this.#firstChild[parent] ?? -1
    while (node !== -1 && this.token[node] !== token) node = this.#nextSibling[node] ?? -1
    return node
  }

  /** A letter of the unfinished word. */
  add(parent: number, token: number, place: number): number {
    return this.#write(parent, token, place, this.state[parent] ?? 0, this.score[parent] ?? 0)
  }

  /** The delimiter after a word that makes the score and the state these. */
  addWord(parent: number, token: number, score: number, state: number): number {
    return this.#write(parent, token, 0, state, score)
  }

  #write(parent: number, token: number, place: number, state: number, score: number): number {
    const node = this.size
    if (node === this.parent.length) this.#grow()
    this.size += 1
    this.parent[node] = parent
    this.token[node] = token
    this.place[node] = place
    this.state[node] = state
    this.score[node] = score
    this.phrase[node] = 0
    this.#firstChild[node] = -1
    this.#nextSibling[node] = parent === -1 ? -1 : (this.#firstChild[parent] ?? -1)
    if (parent !== -1) this.#firstChild[parent] = node
    return node
  }

  #grow(): void {
    this.parent = doubled(this.parent)
    this.token = doubled(this.token)
    this.place = doubled(this.place)
    this.state = doubled(this.state)
    this.phrase = doubled(this.phrase)
    this.#firstChild = doubled(this.#firstChild)
    this.#nextSibling = doubled(this.#nextSibling)
    const score = new Float64Array(this.score.length * 2)
    score.set(this.score)
    this.score = score
  }
}

function doubled(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2)
  larger.set(array)
  return larger
}
