import type { Lexicon } from '../text/lexicon.ts'
import type { BeamDecoder } from './beam.ts'
import { greedyTokens, wordsOf } from './greedy.ts'
import type { ModelConfig } from './model-config.ts'

/** A word and the tokens that spell it. */
export interface DecodedWord {
  readonly text: string
  readonly tokens: readonly number[]
}

/** Words from posteriors. `state` carries what came before from call to call; `start` is the start of a sentence. */
export interface Decoder {
  readonly name: 'greedy' | 'beam' | 'free beam'
  readonly start: number
  decode(logProbs: Float32Array, frames: number, state: number): { words: DecodedWord[]; state: number }
}

/** Writes what the network says, letter by letter. */
export function greedyDecoder(config: ModelConfig): Decoder {
  return {
    name: 'greedy',
    start: 0,
    decode(logProbs, frames, state) {
      const tokens = greedyTokens(logProbs, frames, config.tokens.length, config.blank_index)
      return { words: spelled(tokens, config), state }
    },
  }
}

/** Writes any word that the network says, but looks at more than the likeliest letter of each frame. */
export function freeBeamDecoder(beam: BeamDecoder, config: ModelConfig): Decoder {
  return {
    name: 'free beam',
    start: beam.start,
    decode(logProbs, frames, state) {
      const result = beam.decode(logProbs, frames, state)
      return { words: spelled(result.tokens, config), state: result.state }
    },
  }
}

/** Writes only words of the lexicon. */
export function beamDecoder(beam: BeamDecoder, lexicon: Lexicon): Decoder {
  return {
    name: 'beam',
    start: beam.start,
    decode(logProbs, frames, state) {
      const result = beam.decode(logProbs, frames, state)
      const words = result.words.map((word) => ({
        text: lexicon.words[word] ?? '',
        tokens: lexicon.spellings[word] ?? [],
      }))
      return { words, state: result.state }
    },
  }
}

function spelled(tokens: readonly number[], config: ModelConfig): DecodedWord[] {
  const delimiter = config.tokens.indexOf(config.word_delimiter)
  const textOf = (word: readonly number[]) => word.map((token) => config.tokens[token] ?? '').join('')
  return wordsOf(tokens, delimiter).map((word) => ({ text: textOf(word), tokens: word }))
}
