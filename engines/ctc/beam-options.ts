import type { PhraseGraph } from '../text/phrase-graph.ts'

/** What a beam search is told once. */
export interface BeamOptions {
  readonly beamWidth: number
  readonly languageModelWeight: number
  readonly wordBonus: number
  /** Tokens less likely than this in a frame start nothing. Natural log. */
  readonly tokenLogProbFloor: number
  /** Prefixes this far behind the best are dropped. */
  readonly scoreMargin: number
}

export interface BeamAlphabet {
  readonly tokenCount: number
  readonly blank: number
  readonly delimiter: number
}

/** What a caller expects to hear. */
export interface HotWords {
  readonly graph: PhraseGraph
  /** Indices of the lexicon's words that are in it: those that the language model does not know are no worse than rare. */
  readonly words: readonly number[]
}
