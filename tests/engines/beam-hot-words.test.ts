import { describe, expect, it } from 'vitest'
import { BeamDecoder } from '#engines/ctc/beam.ts'
import { Decoders } from '#engines/ctc/decoders.ts'
import { wordsOf } from '#engines/ctc/greedy.ts'
import { logAdd, NOTHING } from '#engines/ctc/log-math.ts'
import { ModelConfig } from '#engines/ctc/model-config.ts'
import { LanguageModel } from '#engines/text/language-model.ts'
import { buildLexicon } from '#engines/text/lexicon.ts'
import { PhraseGraph } from '#engines/text/phrase-graph.ts'
import { spellPhrase } from '#engines/text/phrase-spelling.ts'
import { randomLogProbs, seeded } from '#tests/kit/seeded.ts'

const TOKENS = ['<blank>', ' ', 'a', 'b']
const LETTERS = [2, 3]
const BONUS = 0.7
const CONFIG = ModelConfig.parse({
  sample_rate: 16_000,
  frame_seconds: 0.02,
  first_frame_center_seconds: 0.01,
  context_seconds: 0.02,
  tokens: TOKENS,
  blank_index: 0,
  word_delimiter: ' ',
  decoder: {
    beam_width: 500,
    language_model_weight: 0.5,
    word_bonus: 0,
    token_log_prob_floor: -1000,
    score_margin: 1000,
    hot_word_bonus: BONUS,
  },
})

const tokenOf = (character: string) => {
  const index = TOKENS.indexOf(character)
  return index > 1 ? index : undefined
}
const tokensOf = (text: string) => Array.from(text, (character) => TOKENS.indexOf(character))
const phraseOf = (text: string) => text.split(' ').map(tokensOf)

/** A bonus for each letter of each phrase wherever it stands. */
function bonusOf(text: string, phrases: readonly string[]): number {
  let letters = 0
  for (const phrase of phrases)
    for (let at = 0; at <= text.length; at++)
      if (` ${text} `.startsWith(` ${phrase} `, at)) letters += phrase.replaceAll(' ', '').length
  return letters * BONUS
}

function graphBonus(graph: PhraseGraph, text: string): number {
  let state = graph.start
  let sum = 0
  for (const token of [...tokensOf(text), 1]) {
    sum += graph.step(state, token)
    state = graph.next
  }
  return sum - graph.open(state)
}

/** The summed probability of every path, by the text that it writes. */
function bruteForce(logProbs: Float32Array, frames: number): Map<string, number> {
  const found = new Map<string, number>()
  for (let path = 0; path < TOKENS.length ** frames; path++) {
    let sum = 0
    const written: number[] = []
    for (let frame = 0, rest = path, last = 0; frame < frames; frame++) {
      const token = rest % TOKENS.length
      rest = Math.floor(rest / TOKENS.length)
      sum += logProbs[frame * TOKENS.length + token] ?? 0
      if (token !== last && token !== 0) written.push(token)
      last = token
    }
    const text = wordsOf(written, 1)
      .map((word) => word.map((token) => TOKENS[token]).join(''))
      .join(' ')
    found.set(text, logAdd(found.get(text) ?? NOTHING, sum))
  }
  return found
}

describe('hot words', () => {
  it.each([
    [['ab']],
    [['a b', 'ba a']],
    [['ab', 'ab ba', 'ba ab a', 'a']],
    [['aa a', 'a aa a b', 'aa', 'b']],
  ])(
    '[D14] %j: a text’s bonus is that of each phrase wherever it stands, unfinished ones give theirs back',
    (phrases) => {
      const graph = new PhraseGraph(phrases.map(phraseOf), 1, BONUS)
      const random = seeded(1)
      for (let round = 0; round < 400; round++) {
        const words = Array.from({ length: 1 + Math.floor(random() * 6) }, () =>
          Array.from({ length: 1 + Math.floor(random() * 2) }, () => (random() < 0.5 ? 'a' : 'b')).join(''),
        )
        const text = words.join(' ')
        expect({ text, bonus: graphBonus(graph, text) }).toEqual({
          text,
          bonus: expect.closeTo(bonusOf(text, phrases), 9),
        })
      }
    },
  )

  it('[D15] a free beam finds the text and score that brute force finds (40 random inputs)', () => {
    const vocabulary = ['ab', 'a ba']
    const { decoder, unspelled } = new Decoders(CONFIG, null, null, LETTERS).for(vocabulary)
    expect({ name: decoder.name, unspelled }).toEqual({ name: 'free beam', unspelled: [] })
    const random = seeded(7)
    for (let round = 0; round < 40; round++) {
      const frames = 1 + (round % 7)
      const logProbs = randomLogProbs(random, frames, TOKENS.length, 3)
      const [best] = [...bruteForce(logProbs, frames)]
        .map(([text, acoustic]) => ({ text, score: acoustic + bonusOf(text, vocabulary) }))
        .sort((a, b) => b.score - a.score)
      const { words } = decoder.decode(logProbs, frames, decoder.start)
      expect({ round, text: words.map((word) => word.text).join(' ') }).toEqual({ round, text: best?.text })
    }
  })

  it('[D15] a bound beam finds the text that brute force finds; a new word is as a rare one to the language model', () => {
    const model = LanguageModel.parse(
      '\\data\\\nngram 1=3\n\n\\1-grams:\n-1 <s>\n-0.4 a\n-0.5 ab\n\n\\end\\\n',
    )
    const lexicon = buildLexicon(['a', 'ab'], tokenOf)
    const decoder = new Decoders(CONFIG, lexicon, model, LETTERS).for(['bb a', 'ab'])
    const words = ['a', 'ab', 'bb']
    const wordScore = (text: string) =>
      text
        .split(' ')
        .filter((word) => word !== '')
        .map((word) => (word === 'bb' ? Math.log(1e-4) : model.score(0, model.wordId(word))))
        .reduce((sum, logProb) => sum + 0.5 * logProb, 0)
    const random = seeded(5)
    for (let round = 0; round < 40; round++) {
      const frames = 1 + (round % 7)
      const logProbs = randomLogProbs(random, frames, TOKENS.length, 4)
      const [best] = [...bruteForce(logProbs, frames)]
        .filter(([text]) => text === '' || text.split(' ').every((word) => words.includes(word)))
        .map(([text, acoustic]) => ({
          text,
          score: acoustic + wordScore(text) + bonusOf(text, ['bb a', 'ab']),
        }))
        .sort((a, b) => b.score - a.score)
      const found = decoder.decoder.decode(logProbs, frames, decoder.decoder.start)
      expect({ round, text: found.words.map(({ text }) => text).join(' ') }).toEqual({
        round,
        text: best?.text,
      })
    }
  })

  it('[D16] no vocabulary: the model’s own decoder; the same one twice: made once', () => {
    const decoders = new Decoders(CONFIG, null, null, LETTERS)
    expect(decoders.for([]).decoder).toBe(decoders.plain)
    expect(decoders.for(['ab']).decoder).toBe(decoders.for(['ab']).decoder)
  })

  it('[D16] more letters than an alphabet has: not used, and told', () => {
    const tokens = [
      ...TOKENS,
      ...Array.from({ length: 600 }, (_, index) => String.fromCodePoint(0x4e00 + index)),
    ]
    const config = ModelConfig.parse({ ...CONFIG, tokens })
    const decoders = new Decoders(config, null, null, [...tokens.keys()].slice(2))
    expect(decoders.for(['ab'])).toMatchObject({
      decoder: decoders.plain,
      unused: expect.stringMatching(/too many/),
    })
  })

  it('[D7] a beam with hot words gives the same on every call', () => {
    const graph = new PhraseGraph([phraseOf('ab a')], 1, 3)
    const options = {
      beamWidth: 5,
      languageModelWeight: 0,
      wordBonus: 0,
      tokenLogProbFloor: -5,
      scoreMargin: 8,
    }
    const lexicon = buildLexicon(['a', 'ab', 'ba'], tokenOf)
    const alphabet = { tokenCount: 4, blank: 0, delimiter: 1 }
    const decoder = new BeamDecoder(lexicon, null, alphabet, options, { graph, words: [] })
    const random = seeded(3)
    const inputs = Array.from({ length: 6 }, () => randomLogProbs(random, 100, 4, 4))
    const once = inputs.map((input) => decoder.decode(input, 100, 0))
    expect(
      [...inputs]
        .reverse()
        .map((input) => decoder.decode(input, 100, 0))
        .reverse(),
    ).toEqual(once)
  })
})

describe('spelling', () => {
  const alphabet = (letters: string) => (character: string) => {
    const index = letters.indexOf(character)
    return index === -1 ? undefined : index
  }
  const LOWER = "abcdefghijklmnopqrstuvwxyz'č"
  it.each([
    ['Dalston', LOWER, ['dalston']],
    ['Dalston', LOWER.toUpperCase(), ['DALSTON']],
    ['New York-based', LOWER, ['new', 'york', 'based']],
    ['Kovač', LOWER, ['kovač']],
    ['Kovač', 'aceiknorstuv', ['kovac']],
    ['Dr. O’Neil', LOWER, ['dr', "o'neil"]],
    ['Route 66', LOWER, null],
    ['...', LOWER, null],
    ['東京', LOWER, null],
  ])('[D17] %s', (term, letters, words) => {
    const spelled = spellPhrase(term, alphabet(letters))
    expect(spelled?.map((word) => word.map((token) => letters[token]).join('')) ?? null).toEqual(words)
  })
})
