import { ArpaError, readArpa } from './arpa.ts'
import { PairTable } from './pair-table.ts'

const SENTENCE_START = '<s>'
const UNKNOWN = ['<unk>', '<UNK>']
/** Natural log of the probability of a word that neither the model nor an `<unk>` of it knows. */
const NEVER = -50

/**
 * A backoff n-gram model of any order in flat arrays. A state is the longest part of the history that can still matter,
 * as a number: two histories with one state have the same future. Logarithms are natural.
 */
export class LanguageModel {
  /** The state at the start of a sentence. */
  readonly start: number
  /** The state after the last `score`. A field and not a result, so that scoring makes no garbage. */
  next = 0
  readonly order: number

  readonly #words: ReadonlyMap<string, number>
  readonly #children: PairTable
  readonly #logProb: Float64Array
  readonly #logBackoff: Float64Array
  readonly #suffix: Int32Array
  readonly #unknownLogProb: number

  private constructor(tables: Tables) {
    this.#words = tables.words
    this.#children = tables.children
    this.#logProb = tables.logProb
    this.#logBackoff = tables.logBackoff
    this.#suffix = tables.shorter
    this.order = tables.order
    const unknown = UNKNOWN.map((word) => tables.words.get(word)).find((id) => id !== undefined)
    const node = unknown === undefined ? -1 : tables.children.get(0, unknown)
    this.#unknownLogProb = node === -1 ? NEVER : (tables.logProb[node] ?? NEVER)
    const startNode = this.#children.get(0, this.wordId(SENTENCE_START))
    this.start = startNode === -1 ? 0 : this.#stateOf(startNode)
  }

  /** Throws an `ArpaError` where the text is no ARPA file. */
  static parse(text: string): LanguageModel {
    return new LanguageModel(tablesOf(text))
  }

  /** Every word of the model but its marks. */
  *words(): Generator<string> {
    for (const word of this.#words.keys()) if (!/^<.*>$/.test(word)) yield word
  }

  /** What `score` takes; −1 for a word that the model does not know. */
  wordId(word: string): number {
    return this.#words.get(word) ?? -1
  }

  /** The natural log of the probability of a word after a state; `next` is the state after it. */
  score(state: number, word: number): number {
    if (word === -1) {
      this.next = 0
      return this.#backoffToRoot(state) + this.#unknownLogProb
    }
    let penalty = 0
    for (let context = state; ; context = this.#suffix[context] ?? 0) {
      const child = this.#children.get(context, word)
      if (child !== -1) {
        this.next = this.#stateOf(child)
        return penalty + (this.#logProb[child] ?? 0)
      }
      if (context === 0) {
        this.next = 0
        return penalty + this.#unknownLogProb
      }
      penalty += this.#logBackoff[context] ?? 0
    }
  }

  #backoffToRoot(state: number): number {
    let penalty = 0
    for (let context = state; context !== 0; context = this.#suffix[context] ?? 0)
      penalty += this.#logBackoff[context] ?? 0
    return penalty
  }

  /** A node that nothing continues is the same history as its suffix. `#suffix` of such a node leads on. */
  #stateOf(node: number): number {
    let state = node
    while (state !== 0 && this.#isDeadEnd(state)) state = this.#suffix[state] ?? 0
    return state
  }

  #isDeadEnd(node: number): boolean {
    return this.#logBackoff[node] === 0 && this.#children.get(node, HAS_CHILDREN) === -1
  }
}

/** A word id that no word has: its entry under a node says that the node has children. */
const HAS_CHILDREN = 0x7fff_ffff

interface Tables {
  readonly order: number
  readonly words: ReadonlyMap<string, number>
  readonly children: PairTable
  readonly logProb: Float64Array
  readonly logBackoff: Float64Array
  /** Each node's history without its first word; the longest such that the file has. */
  readonly shorter: Int32Array
}

function tablesOf(text: string): Tables {
  const { counts, ngrams } = readArpa(text)
  const total = counts.reduce((sum, count) => sum + count, 0)
  const words = new Map<string, number>()
  const children = new PairTable(total * 1.5)
  const logProb = new Float64Array(total + 1)
  const logBackoff = new Float64Array(total + 1)
  const shorter = new Int32Array(total + 1)
  let node = 0
  for (const ngram of ngrams) {
    const ids = ngram.words.map((word) => idOf(words, word, ngram.words.length === 1))
    const context = walk(children, ids.slice(0, -1))
    if (context === -1)
      throw new ArpaError(`the history of "${ngram.words.join(' ')}" is no n-gram of its own`)
    node += 1
    children.set(context, ids.at(-1) ?? 0, node)
    children.set(context, HAS_CHILDREN, 1)
    logProb[node] = ngram.logProb
    logBackoff[node] = ngram.logBackoff
    shorter[node] = longestSuffix(children, ids)
  }
  return { order: counts.length, words, children, logProb, logBackoff, shorter }
}

function idOf(words: Map<string, number>, word: string, isUnigram: boolean): number {
  const known = words.get(word)
  if (known !== undefined) return known
  if (!isUnigram) throw new ArpaError(`the word "${word}" is in an n-gram but has no entry of its own`)
  words.set(word, words.size)
  return words.size - 1
}

function walk(children: PairTable, ids: readonly number[]): number {
  let node = 0
  for (const id of ids) {
    node = children.get(node, id)
    if (node === -1) return -1
  }
  return node
}

function longestSuffix(children: PairTable, ids: readonly number[]): number {
  for (let from = 1; from < ids.length; from++) {
    const node = walk(children, ids.slice(from))
    if (node !== -1) return node
  }
  return 0
}
