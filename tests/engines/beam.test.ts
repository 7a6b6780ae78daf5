import { describe, expect, it } from 'vitest'
import { align } from '#engines/ctc/align.ts'
import { BeamDecoder } from '#engines/ctc/beam.ts'
import type { BeamOptions } from '#engines/ctc/beam-options.ts'
import { greedyTokens, wordsOf } from '#engines/ctc/greedy.ts'
import { logAdd, NOTHING } from '#engines/ctc/log-math.ts'
import { LanguageModel } from '#engines/text/language-model.ts'
import { buildLexicon } from '#engines/text/lexicon.ts'
import { randomLogProbs, seeded } from '#tests/kit/seeded.ts'

const TOKENS = ['<blank>', ' ', 'a', 'b']
const ALPHABET = { tokenCount: TOKENS.length, blank: 0, delimiter: 1 }
const WORDS = ['a', 'ab', 'ba', 'aa']
const ARPA = `\\data\\
ngram 1=7
ngram 2=4
ngram 3=1

\\1-grams:
-99\t<s>\t-0.3
-0.8\t</s>
-1.5\t<unk>
-0.6\ta\t-0.2
-0.7\tab\t-0.4
-0.9\tba
-1.1\taa\t-0.1

\\2-grams:
-0.2\t<s> ab\t-0.15
-0.3\tab a
-0.4\ta ba
-0.5\tab ba

\\3-grams:
-0.1\t<s> ab ba

\\end\\
`
const WIDE: BeamOptions = {
  beamWidth: 500,
  languageModelWeight: 0.7,
  wordBonus: 0.4,
  tokenLogProbFloor: -1000,
  scoreMargin: 1000,
}

const lexicon = buildLexicon(WORDS, (character) => {
  const index = TOKENS.indexOf(character)
  return index > 1 ? index : undefined
})
const model = LanguageModel.parse(ARPA)

function textOf(words: readonly number[]): string {
  return words.map((word) => lexicon.words[word]).join(' ')
}

/** The summed probability of every path, by the words that it writes; paths that write no words of the lexicon are left out. */
function bruteForce(logProbs: Float32Array, frames: number): Map<string, number> {
  const found = new Map<string, number>()
  for (let path = 0; path < TOKENS.length ** frames; path++) {
    let sum = 0
    const written: number[] = []
    for (
      let frame = 0, rest = path, last = 0;
      frame < frames;
      frame++, rest = Math.floor(rest / TOKENS.length)
    ) {
      const token = rest % TOKENS.length
      sum += logProbs[frame * TOKENS.length + token] ?? 0
      if (token !== last && token !== 0) written.push(token)
      last = token
    }
    const words = wordsOf(written, 1).map((word) => word.map((token) => TOKENS[token]).join(''))
    if (!words.every((word) => WORDS.includes(word))) continue
    const text = words.join(' ')
    found.set(text, logAdd(found.get(text) ?? NOTHING, sum))
  }
  return found
}

function wordScore(text: string, options: BeamOptions, from: number): number {
  let state = from
  let score = 0
  for (const word of text === '' ? [] : text.split(' ')) {
    score += options.languageModelWeight * model.score(state, model.wordId(word)) + options.wordBonus
    state = model.next
  }
  return score
}

describe('beam search', () => {
  it('[D1] finds the text that brute force over all paths finds, with its score (60 random inputs)', () => {
    const decoder = new BeamDecoder(lexicon, model, ALPHABET, WIDE)
    const random = seeded(7)
    for (let round = 0; round < 60; round++) {
      const frames = 1 + (round % 7)
      const logProbs = randomLogProbs(random, frames, TOKENS.length, 4)
      const ranked = [...bruteForce(logProbs, frames)]
        .map(([text, acoustic]) => ({ text, score: acoustic + wordScore(text, WIDE, model.start) }))
        .sort((a, b) => b.score - a.score)
      const result = decoder.decode(logProbs, frames, decoder.start)
      expect({ round, text: textOf(result.words) }).toEqual({ round, text: ranked[0]?.text })
      // Prefixes far behind another with the same future are dropped, and their paths with them: never above, hardly below.
      expect(result.score).toBeLessThanOrEqual((ranked[0]?.score ?? 0) + 1e-5)
      expect(result.score).toBeGreaterThan((ranked[0]?.score ?? 0) - 0.01)
    }
  })

  it('[D2] without a language model only the bonus counts', () => {
    const options = { ...WIDE, wordBonus: -0.5 }
    const decoder = new BeamDecoder(lexicon, null, ALPHABET, options)
    const random = seeded(11)
    for (let round = 0; round < 30; round++) {
      const logProbs = randomLogProbs(random, 6, TOKENS.length, 4)
      const ranked = [...bruteForce(logProbs, 6)]
        .map(([text, acoustic]) => ({ text, score: acoustic - 0.5 * wordsIn(text) }))
        .sort((a, b) => b.score - a.score)
      expect(textOf(decoder.decode(logProbs, 6, 0).words)).toBe(ranked[0]?.text)
    }
  })

  it('[D3] goes on from the state of the words before: the model’s trigram needs both', () => {
    const decoder = new BeamDecoder(lexicon, model, ALPHABET, WIDE)
    const frames = framesOf([2, 3])
    const first = decoder.decode(frames, 2, decoder.start)
    expect(textOf(first.words)).toBe('ab')
    model.score(first.state, model.wordId('ba'))
    model.score(model.start, model.wordId('ab'))
    const afterAb = model.next
    expect(first.state).toBe(afterAb)
    expect(model.score(first.state, model.wordId('ba'))).toBeCloseTo(-0.1 * Math.LN10, 10)
  })

  it('[D4] delimiters before the first word and doubled ones change nothing', () => {
    const decoder = new BeamDecoder(lexicon, model, ALPHABET, WIDE)
    const frames = framesOf([1, 2, 1, 0, 1, 3, 2, 1])
    expect(textOf(decoder.decode(frames, 8, decoder.start).words)).toBe('a ba')
  })

  it('[D5] sound that stops inside a word gives the whole words before it', () => {
    const decoder = new BeamDecoder(lexicon, model, ALPHABET, WIDE)
    // Surer than any other path can be: "b" alone is no word.
    const frames = new Float32Array(3 * TOKENS.length).fill(NOTHING)
    for (const [frame, token] of [2, 1, 3].entries()) frames[frame * TOKENS.length + token] = 0
    expect(textOf(decoder.decode(frames, 3, decoder.start).words)).toBe('a')
  })

  it('[D6] no frames: no words', () => {
    const decoder = new BeamDecoder(lexicon, model, ALPHABET, WIDE)
    expect(decoder.decode(new Float32Array(0), 0, decoder.start).words).toEqual([])
  })

  it('[D7] a narrow beam gives the same on every call, whatever was decoded before', () => {
    const options = { ...WIDE, beamWidth: 5, tokenLogProbFloor: -5, scoreMargin: 8 }
    const decoder = new BeamDecoder(lexicon, model, ALPHABET, options)
    const random = seeded(3)
    const inputs = Array.from({ length: 10 }, () => randomLogProbs(random, 200, TOKENS.length, 5))
    const once = inputs.map((input) => textOf(decoder.decode(input, 200, decoder.start).words))
    const again = [...inputs]
      .reverse()
      .map((input) => textOf(decoder.decode(input, 200, decoder.start).words))
    expect(again.reverse()).toEqual(once)
    expect(once.join(' ').split(' ').length).toBeGreaterThan(100)
  })
})

describe('greedy', () => {
  it('[D8] takes repeats and blanks out, and cuts at delimiters', () => {
    const tokens = greedyTokens(framesOf([1, 2, 2, 0, 2, 3, 1, 1, 3]), 9, TOKENS.length, 0)
    expect(tokens).toEqual([1, 2, 2, 3, 1, 3])
    expect(wordsOf(tokens, 1)).toEqual([[2, 2, 3], [3]])
  })
})

describe('alignment', () => {
  it('[D9] is the best path of brute force (40 random inputs)', () => {
    const random = seeded(5)
    for (let round = 0; round < 40; round++) {
      const frames = 3 + (round % 4)
      const logProbs = randomLogProbs(random, frames, TOKENS.length, 4)
      const tokens = round % 2 === 0 ? [2, 3] : [2, 2]
      const path = align(logProbs, frames, TOKENS.length, 0, tokens)
      const best = bestPath(logProbs, frames, tokens)
      expect(path === null ? null : [...path.first, ...path.last]).toEqual(best)
    }
  })

  it('[D9] too few frames: null', () => {
    expect(align(framesOf([2, 2]), 2, TOKENS.length, 0, [2, 2])).toBeNull()
  })
})

/** Frames that are sure of one token each. */
function framesOf(tokens: readonly number[], sureness = 12): Float32Array {
  const logProbs = new Float32Array(tokens.length * TOKENS.length)
  for (const [frame, token] of tokens.entries()) {
    const total = Math.log(Math.exp(sureness) + TOKENS.length - 1)
    for (let other = 0; other < TOKENS.length; other++)
      logProbs[frame * TOKENS.length + other] = (other === token ? sureness : 0) - total
  }
  return logProbs
}

function wordsIn(text: string): number {
  return text === '' ? 0 : text.split(' ').length
}

/** First and last frames of each token on the most likely path that writes them, by trying all. */
function bestPath(logProbs: Float32Array, frames: number, tokens: readonly number[]): number[] | null {
  let best: { score: number; spans: number[] } | null = null
  for (let path = 0; path < TOKENS.length ** frames; path++) {
    const first: number[] = []
    const last: number[] = []
    const written: number[] = []
    let score = 0
    for (
      let frame = 0, rest = path, before = 0;
      frame < frames;
      frame++, rest = Math.floor(rest / TOKENS.length)
    ) {
      const token = rest % TOKENS.length
      score += logProbs[frame * TOKENS.length + token] ?? 0
      if (token !== 0 && token !== before) {
        written.push(token)
        first.push(frame)
        last.push(frame)
      } else if (token !== 0) {
        last[last.length - 1] = frame
      }
      before = token
    }
    if (written.join() === tokens.join() && (best === null || score > best.score))
      best = { score, spans: [...first, ...last] }
  }
  return best?.spans ?? null
}
