import type { LanguageModel } from '../text/language-model.ts'
import type { Lexicon } from '../text/lexicon.ts'
import type { PhraseGraph } from '../text/phrase-graph.ts'
import { Beam, Candidates } from './beam-arrays.ts'
import type { BeamAlphabet, BeamOptions, HotWords } from './beam-options.ts'
import { logAdd, NOTHING } from './log-math.ts'
import { PrefixTree } from './prefix-tree.ts'

export interface BeamResult {
  /** Indices of the lexicon's words. */
  readonly words: number[]
  /** Letters and delimiters. */
  readonly tokens: number[]
  /** The language model's state after them. */
  readonly state: number
  /** Natural log of the acoustic probability plus the words' score. */
  readonly score: number
}

/**
 * Of prefixes with one future the worse is dropped only when it is this far behind (natural log): a closer one may yet be
 * overtaken by it, since paths go on flowing into both.
 */
const RECOMBINATION_GAP = 3

/** What the language model says of a hot word that it does not know: as of a rare word. */
const HOT_WORD_LOG_PROB = Math.log(1e-4)
/** More than the tokens of any alphabet (`ModelConfig`): so a token and a state of the hot words are one number. */
const TOKEN_SPAN = 131_072
/** ... of 32 bits, with this many states. */
export const MOST_PHRASE_STATES = 16_384

/**
 * CTC prefix beam search bound to a lexicon. A prefix is what has been written so far; its score is the log of the summed
 * probability of all its paths, plus for each word `languageModelWeight` × ln P(word | words before) + `wordBonus`. A word is
 * scored when its delimiter comes, or at the end, where only prefixes that stand at a word's end win. Delimiters before
 * the first word and after another one change nothing.
 *
 * Hot words add their bonuses letter by letter (`PhraseGraph`), and what a prefix may still lose is lost at the end.
 *
 * Prefixes with the same language model state, lexicon node and last token have the same future: one that is well behind
 * another is dropped. Everything lives in arrays that are kept from call to call: a frame makes no garbage.
 */
export class BeamDecoder {
  readonly #lexicon: Lexicon
  readonly #model: LanguageModel | null
  readonly #modelWords: Int32Array
  readonly #alphabet: BeamAlphabet
  readonly #options: BeamOptions
  readonly #phrases: PhraseGraph | null
  readonly #isHot: Uint8Array
  readonly #tree = new PrefixTree()
  readonly #beam: Beam
  readonly #candidates: Candidates
  /** The candidate of each prefix node that is in the beam now; −1 for all others. */
  #candidateOf = new Int32Array(4096).fill(-1)

  constructor(
    lexicon: Lexicon,
    model: LanguageModel | null,
    alphabet: BeamAlphabet,
    options: BeamOptions,
    hotWords: HotWords | null = null,
  ) {
    if (hotWords !== null && hotWords.graph.size > MOST_PHRASE_STATES)
      throw new RangeError(`expected hot words of at most ${MOST_PHRASE_STATES} letters together`)
    this.#phrases = hotWords?.graph ?? null
    this.#isHot = new Uint8Array(lexicon.words.length)
    for (const word of hotWords?.words ?? []) this.#isHot[word] = 1
    this.#lexicon = lexicon
    this.#model = model
    this.#modelWords = Int32Array.from(lexicon.words, (word) => model?.wordId(word) ?? -1)
    this.#alphabet = alphabet
    this.#options = options
    this.#beam = new Beam(options.beamWidth)
    this.#candidates = new Candidates(options.beamWidth * (lexicon.widest + 2))
  }

  /** The state at the start of a sentence: what `decode` takes where nothing came before. */
  get start(): number {
    return this.#model?.start ?? 0
  }

  /** The best words of `frames` rows of `logProbs` ([frame][token], natural log), after the words that `state` stands for. */
  decode(logProbs: Float32Array, frames: number, state: number): BeamResult {
    this.#tree.reset(state)
    this.#beam.reset()
    for (let frame = 0; frame < frames; frame++) this.#step(logProbs, frame * this.#alphabet.tokenCount)
    return this.#finish()
  }

  #step(logProbs: Float32Array, row: number): void {
    this.#stay(logProbs, row)
    this.#extend(logProbs, row)
    this.#forgetCandidates()
    this.#candidates.total(this.#tree)
    this.#keepBest()
  }

  /** Blanks and repeats: each prefix as it is. Candidate i is the beam's prefix i. */
  #stay(logProbs: Float32Array, row: number): void {
    const { blank, delimiter } = this.#alphabet
    const beam = this.#beam
    const candidates = this.#candidates
    const blankLogProb = logProbs[row + blank] ?? NOTHING
    const delimiterLogProb = logProbs[row + delimiter] ?? NOTHING
    candidates.count = beam.count
    this.#growCandidateOf()
    for (let index = 0; index < beam.count; index++) {
      const node = beam.node[index] ?? 0
      const endsBlank = beam.endsBlank[index] ?? NOTHING
      const endsToken = beam.endsToken[index] ?? NOTHING
      const either = logAdd(endsBlank, endsToken)
      const last = this.#tree.token[node] ?? -1
      let stayBlank = either + blankLogProb
      let stayToken = last === -1 ? NOTHING : endsToken + (logProbs[row + last] ?? NOTHING)
      if (last === -1) stayBlank = logAdd(stayBlank, either + delimiterLogProb)
      if (last === delimiter) stayToken = logAdd(stayToken, endsBlank + delimiterLogProb)
      beam.either[index] = either
      candidates.node[index] = node
      candidates.endsBlank[index] = stayBlank
      candidates.endsToken[index] = stayToken
      this.#candidateOf[node] = index
    }
  }

  /** One more token: a letter that the lexicon allows, or the delimiter after a word. */
  #extend(logProbs: Float32Array, row: number): void {
    const floor = this.#options.tokenLogProbFloor
    const lexicon = this.#lexicon
    const beam = this.#beam
    const delimiterLogProb = logProbs[row + this.#alphabet.delimiter] ?? NOTHING
    for (let index = 0; index < beam.count; index++) {
      const node = beam.node[index] ?? 0
      const last = this.#tree.token[node] ?? -1
      const place = this.#tree.place[node] ?? 0
      const first = lexicon.firstChild[place] ?? 0
      const end = first + (lexicon.childCount[place] ?? 0)
      for (let child = first; child < end; child++) {
        const token = lexicon.token[child] ?? 0
        const logProb = logProbs[row + token] ?? NOTHING
        if (logProb < floor) continue
        const before = (token === last ? beam.endsBlank[index] : beam.either[index]) ?? NOTHING
        if (before !== NOTHING) this.#offer(node, token, child, before + logProb)
      }
      const word = lexicon.word[place] ?? -1
      if (word === -1 || delimiterLogProb < floor) continue
      this.#offer(node, this.#alphabet.delimiter, 0, (beam.either[index] ?? NOTHING) + delimiterLogProb)
    }
  }

  /** A prefix that is in the beam already takes the path in; any other is a new candidate. */
  #offer(parent: number, token: number, place: number, logProb: number): void {
    const candidates = this.#candidates
    const node = this.#tree.child(parent, token)
    const present = node === -1 ? -1 : (this.#candidateOf[node] ?? -1)
    if (present !== -1) {
      candidates.endsToken[present] = logAdd(candidates.endsToken[present] ?? NOTHING, logProb)
      return
    }
    candidates.addNew(node === -1 ? this.#grow(parent, token, place) : node, logProb)
  }

  #grow(parent: number, token: number, place: number): number {
    const tree = this.#tree
    const node =
      token === this.#alphabet.delimiter
        ? tree.addWord(parent, token, this.#scoreWord(parent), this.#model?.next ?? 0)
        : tree.add(parent, token, place)
    if (this.#phrases !== null) {
      const bonus = this.#phrases.step(tree.phrase[parent] ?? 0, token)
      tree.score[node] = (tree.score[node] ?? 0) + bonus
      tree.phrase[node] = this.#phrases.next
    }
    return node
  }

  /** The score with the word at whose end `node` stands; the model's `next` is the state after it. */
  #scoreWord(node: number): number {
    const word = this.#lexicon.word[this.#tree.place[node] ?? 0] ?? -1
    const before = this.#tree.score[node] ?? 0
    const { languageModelWeight, wordBonus } = this.#options
    if (this.#model === null) return before + wordBonus
    const id = this.#modelWords[word] ?? -1
    const logProb = this.#model.score(this.#tree.state[node] ?? 0, id)
    const isNew = id === -1 && this.#isHot[word] === 1
    return before + languageModelWeight * (isNew ? Math.max(logProb, HOT_WORD_LOG_PROB) : logProb) + wordBonus
  }

  #keepBest(): void {
    const { candidates, beam, tree } = { candidates: this.#candidates, beam: this.#beam, tree: this.#tree }
    const ranked = candidates.ranked(this.#options.scoreMargin)
    beam.reset(0)
    beam.forgetFutures()
    for (let rank = 0; rank < ranked && beam.count < this.#options.beamWidth; rank++) {
      const candidate = candidates.order[rank] ?? 0
      const node = candidates.node[candidate] ?? 0
      const isNew = beam.addFuture(
        tree.state[node] ?? 0,
        tree.place[node] ?? 0,
        (tree.token[node] ?? -1) + (tree.phrase[node] ?? 0) * TOKEN_SPAN,
        candidates.score[candidate] ?? NOTHING,
        RECOMBINATION_GAP,
      )
      if (isNew)
        beam.push(
          node,
          candidates.endsBlank[candidate] ?? NOTHING,
          candidates.endsToken[candidate] ?? NOTHING,
        )
    }
  }

  /** The end of the sound is the end of a word: every prefix takes a delimiter for free where it may. */
  #finish(): BeamResult {
    const { candidates, beam, tree } = { candidates: this.#candidates, beam: this.#beam, tree: this.#tree }
    candidates.count = beam.count
    this.#growCandidateOf()
    for (let index = 0; index < beam.count; index++) {
      const node = beam.node[index] ?? 0
      candidates.node[index] = node
      candidates.endsBlank[index] = beam.endsBlank[index] ?? NOTHING
      candidates.endsToken[index] = beam.endsToken[index] ?? NOTHING
      this.#candidateOf[node] = index
    }
    for (let index = 0; index < beam.count; index++) {
      const node = beam.node[index] ?? 0
      if (this.#lexicon.word[tree.place[node] ?? 0] === -1) continue
      const either = logAdd(beam.endsBlank[index] ?? NOTHING, beam.endsToken[index] ?? NOTHING)
      this.#offer(node, this.#alphabet.delimiter, 0, either)
    }
    this.#forgetCandidates()
    candidates.total(tree)
    if (this.#phrases !== null) this.#takeBack(this.#phrases)
    // Sound that stops inside a word, in every prefix: then the whole words of the best one.
    const ranked = candidates.ranked(Number.POSITIVE_INFINITY)
    const order = candidates.order.subarray(0, ranked)
    const best = order.find((candidate) => tree.place[candidates.node[candidate] ?? 0] === 0) ?? order[0] ?? 0
    const node = candidates.node[best] ?? 0
    return {
      words: this.#wordsOf(node),
      tokens: this.#tokensOf(node),
      state: tree.state[node] ?? 0,
      score: candidates.score[best] ?? NOTHING,
    }
  }

  /** Phrases that nothing finishes any more. */
  #takeBack(phrases: PhraseGraph): void {
    const candidates = this.#candidates
    for (let index = 0; index < candidates.count; index++) {
      const open = phrases.open(this.#tree.phrase[candidates.node[index] ?? 0] ?? 0)
      candidates.score[index] = (candidates.score[index] ?? NOTHING) - open
    }
  }

  #tokensOf(last: number): number[] {
    const tokens: number[] = []
    for (let node = last; node > 0; node = this.#tree.parent[node] ?? 0)
      tokens.push(this.#tree.token[node] ?? -1)
    return tokens.reverse()
  }

  #wordsOf(last: number): number[] {
    const tree = this.#tree
    const words: number[] = []
    for (let node = last; node > 0; node = tree.parent[node] ?? 0) {
      if (tree.token[node] !== this.#alphabet.delimiter) continue
      words.push(this.#lexicon.word[tree.place[tree.parent[node] ?? 0] ?? 0] ?? -1)
    }
    return words.reverse()
  }

  #forgetCandidates(): void {
    for (let index = 0; index < this.#beam.count; index++) this.#candidateOf[this.#beam.node[index] ?? 0] = -1
  }

  #growCandidateOf(): void {
    if (this.#candidateOf.length >= this.#tree.size) return
    const larger = new Int32Array(this.#tree.size * 2).fill(-1)
    larger.set(this.#candidateOf)
    this.#candidateOf = larger
  }
}
