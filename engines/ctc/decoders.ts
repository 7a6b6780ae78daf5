import type { LanguageModel } from '../text/language-model.ts'
import { buildLexicon, type Lexicon } from '../text/lexicon.ts'
import { PhraseGraph } from '../text/phrase-graph.ts'
import { spellPhrase } from '../text/phrase-spelling.ts'
import { BeamDecoder, MOST_PHRASE_STATES } from './beam.ts'
import type { BeamOptions, HotWords } from './beam-options.ts'
import { beamDecoder, type Decoder, freeBeamDecoder, greedyDecoder } from './decoder.ts'
import type { ModelConfig } from './model-config.ts'

/** A free beam looks at every letter for every prefix: beyond this alphabets are syllables, and it is too slow. */
const MOST_FREE_LETTERS = 512

/** The decoder of a task, and what of its vocabulary could not be used. */
export interface TaskDecoder {
  readonly decoder: Decoder
  /** Terms that the model has no letters for. */
  readonly unspelled: readonly string[]
  /** Why none of it was used. */
  readonly unused: string | null
}

/** A model's decoders: its own, made once, and one for each vocabulary that callers bring. */
export class Decoders {
  /** Of a task without a vocabulary. */
  readonly plain: Decoder
  readonly #config: ModelConfig
  readonly #lexicon: Lexicon | null
  readonly #model: LanguageModel | null
  readonly #letters: readonly number[]
  #last: { readonly key: string; readonly decoder: TaskDecoder } | null = null

  /** Without a lexicon decoding is greedy. `letters` are the tokens that are written. */
  constructor(
    config: ModelConfig,
    lexicon: Lexicon | null,
    model: LanguageModel | null,
    letters: readonly number[],
  ) {
    this.#config = config
    this.#lexicon = lexicon
    this.#model = model
    this.#letters = letters
    this.plain = lexicon === null ? greedyDecoder(config) : this.#bound(lexicon, null)
  }

  /** The last vocabulary's is kept: the channels and chapters of one customer come one after the other. */
  for(vocabulary: readonly string[]): TaskDecoder {
    if (vocabulary.length === 0) return { decoder: this.plain, unspelled: [], unused: null }
    const key = JSON.stringify(vocabulary)
    if (this.#last?.key !== key) this.#last = { key, decoder: this.#make(vocabulary) }
    return this.#last.decoder
  }

  #make(vocabulary: readonly string[]): TaskDecoder {
    const tokens = new Map(this.#letters.map((letter) => [this.#config.tokens[letter] ?? '', letter]))
    const phrases = vocabulary.map((term) => spellPhrase(term, (character) => tokens.get(character)))
    const unspelled = vocabulary.filter((_, index) => phrases[index] === null)
    const spelled = phrases.filter((phrase) => phrase !== null)
    const none = (unused: string | null) => ({ decoder: this.plain, unspelled, unused })
    if (spelled.length === 0) return none(null)
    const delimiter = this.#config.tokens.indexOf(this.#config.word_delimiter)
    const graph = new PhraseGraph(spelled, delimiter, this.#config.decoder.hot_word_bonus)
    if (graph.size > MOST_PHRASE_STATES) return none('it is too long')
    if (this.#lexicon !== null) {
      const hot = spelled.flat().map((word) => word.map((token) => this.#config.tokens[token]).join(''))
      const lexicon = buildLexicon([...this.#lexicon.words, ...hot], (character) => tokens.get(character))
      const isHot = new Set(hot)
      const words = [...lexicon.words.keys()].filter((word) => isHot.has(lexicon.words[word] ?? ''))
      return { decoder: this.#bound(lexicon, { graph, words }), unspelled, unused: null }
    }
    if (this.#letters.length > MOST_FREE_LETTERS) return none('this model has too many letters for it')
    const beam = this.#beam(freeLexicon(this.#letters), { graph, words: [] })
    return { decoder: freeBeamDecoder(beam, this.#config), unspelled, unused: null }
  }

  #bound(lexicon: Lexicon, hotWords: HotWords | null): Decoder {
    return beamDecoder(this.#beam(lexicon, hotWords), lexicon)
  }

  #beam(lexicon: Lexicon, hotWords: HotWords | null): BeamDecoder {
    const { tokens, blank_index, word_delimiter, decoder } = this.#config
    const alphabet = {
      tokenCount: tokens.length,
      blank: blank_index,
      delimiter: tokens.indexOf(word_delimiter),
    }
    const options: BeamOptions = {
      beamWidth: decoder.beam_width,
      languageModelWeight: decoder.language_model_weight,
      wordBonus: decoder.word_bonus,
      tokenLogProbFloor: decoder.token_log_prob_floor,
      scoreMargin: decoder.score_margin,
    }
    return new BeamDecoder(lexicon, this.#model, alphabet, options, hotWords)
  }
}

/** Every sequence of letters as a word: each letter is a node that a word may end at, and any letter follows. */
function freeLexicon(letters: readonly number[]): Lexicon {
  const nodes = letters.length + 1
  return {
    words: [],
    spellings: [],
    token: Int32Array.from([-1, ...letters]),
    firstChild: new Int32Array(nodes).fill(1),
    childCount: new Int32Array(nodes).fill(letters.length),
    word: Int32Array.from({ length: nodes }, (_, node) => node - 1),
    widest: letters.length,
  }
}
