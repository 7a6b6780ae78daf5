import { describe, expect, it } from 'vitest'
import { isoLanguage, likeliestLanguage, modelLanguage } from '#engines/whisper/language.ts'
import { applyRules, type LogitRules } from '#engines/whisper/logit-rules.ts'
import { conditioningOf, prefixOf } from '#engines/whisper/prompt.ts'
import { compressionRatio, isSaidAgain, temperatures, verdict } from '#engines/whisper/quality.ts'
import { likeliest, probability, sampled, seededRandom } from '#engines/whisper/sampling.ts'
import { type SpecialTokens, specialTokens } from '#engines/whisper/special-tokens.ts'
import { generationConfig, whisperVocabulary } from '#tests/kit/whisper-vocabulary.ts'

/** Text 0–9, end 10, no timestamps 11, timestamps 12–31. */
const [END, NONE, FIRST, SIZE] = [10, 11, 12, 32]
const RULES: LogitRules = {
  tokens: { endOfText: END, noTimestamps: NONE, firstTimestamp: FIRST, vocabularySize: SIZE },
  suppressed: Int32Array.of(9),
  suppressedFirst: Int32Array.of(0),
  firstTimestampLimit: 5,
  isMonotonic: true,
}

/** Which tokens may come behind these. */
function allowed(written: readonly number[], rules = RULES, lastTimestamp = 1500): number[] {
  // Text and the end stand far above timestamps, so that the sum of these decides nothing.
  const logits = new Float32Array(SIZE).fill(20, 0, FIRST)
  applyRules(logits, written, rules, lastTimestamp)
  return [...logits.keys()].filter((token) => logits[token] !== Number.NEGATIVE_INFINITY)
}

const TEXT = [0, 1, 2, 3, 4, 5, 6, 7, 8]
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe('timestamp rules', () => {
  it('[WH5] a text begins with a timestamp near the start', () => {
    expect(allowed([])).toEqual(range(FIRST, FIRST + 5))
    expect(allowed([], { ...RULES, firstTimestampLimit: null })).toEqual(range(FIRST, SIZE - 1))
  })

  it('[WH5] behind a start comes text, behind an end its pair or the end of all', () => {
    expect(allowed([FIRST])).toEqual([...TEXT, END])
    expect(allowed([FIRST, 1, FIRST + 3])).toEqual([END, ...range(FIRST + 3, SIZE - 1)])
    expect(allowed([FIRST, 1, FIRST + 3, FIRST + 3])).toEqual([...TEXT, END])
  })

  it('[WH5] timestamps never go back, and a segment is never empty', () => {
    expect(allowed([FIRST + 2, 1])).toEqual([...TEXT, END, ...range(FIRST + 3, SIZE - 1)])
    expect(allowed([FIRST + 2, 1], { ...RULES, isMonotonic: false })).toEqual([
      ...TEXT,
      END,
      ...range(FIRST, SIZE - 1),
    ])
  })

  it('[WH5] no timestamp lies behind the sound', () => {
    expect(allowed([FIRST, 1], RULES, 8)).toEqual([...TEXT, END, ...range(FIRST + 1, FIRST + 8)])
  })

  it('[WH5] timestamps that outweigh every other token together are taken', () => {
    const logits = new Float32Array(SIZE).fill(1)
    applyRules(logits, [FIRST, 1], RULES, 1500)
    expect(logits.subarray(0, FIRST).every((logit) => logit === Number.NEGATIVE_INFINITY)).toBe(true)
    const close = new Float32Array(SIZE).fill(-10)
    close[3] = 1
    applyRules(close, [FIRST, 1], RULES, 1500)
    expect(close[3]).toBe(1)
  })

  it('[WH5] suppressed tokens never come, some only not first', () => {
    expect(allowed([FIRST, 1])).not.toContain(9)
    const noStamps = { ...RULES, tokens: { ...RULES.tokens, firstTimestamp: SIZE, noTimestamps: NONE } }
    expect(allowed([], noStamps, -1)).not.toContain(0)
  })
})

describe('choosing a token', () => {
  it('[WH6] greedy takes the likeliest, with its probability among all that may come', () => {
    const choice = { token: 0, logProb: 0 }
    const never = Number.NEGATIVE_INFINITY
    likeliest(Float32Array.of(never, Math.log(1), Math.log(3), never), choice)
    expect(choice.token).toBe(2)
    expect(choice.logProb).toBeCloseTo(Math.log(0.75), 6)
    expect(probability(Float32Array.of(Math.log(1), Math.log(3)), 0)).toBeCloseTo(0.25, 6)
  })

  it('[WH6] by chance, each token comes as often as its probability at that temperature', () => {
    const logits = Float32Array.of(Math.log(1), Number.NEGATIVE_INFINITY, Math.log(3))
    for (const [temperature, share] of [
      [1, 0.75],
      [0.5, 0.9],
    ] as const) {
      const random = seededRandom(7)
      const choice = { token: 0, logProb: 0 }
      let count = 0
      for (let round = 0; round < 4000; round++) {
        sampled(logits, temperature, random(), choice)
        expect(choice.token).not.toBe(1)
        if (choice.token === 2) count += 1
      }
      expect(count / 4000).toBeCloseTo(share, 1)
    }
  })

  it('[WH6] temperatures rise from 0 to 1, or are the one that was asked for', () => {
    expect(temperatures(null)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1])
    expect(temperatures(0)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1])
    expect(temperatures(0.5)).toEqual([0.5])
  })

  it('[WH7] a text is judged by log probability, compression and whether anybody speaks', () => {
    const good = { avgLogProb: -0.5, compressionRatio: 1.5, noSpeechProb: 0.1 }
    expect(verdict(good)).toBe('good')
    expect(verdict({ ...good, noSpeechProb: 0.9 })).toBe('good')
    expect(verdict({ ...good, avgLogProb: -1.1 })).toBe('unlikely')
    expect(verdict({ ...good, avgLogProb: -1.1, noSpeechProb: 0.7 })).toBe('silence')
    expect(verdict({ ...good, avgLogProb: -1.1, noSpeechProb: null })).toBe('unlikely')
    expect(verdict({ ...good, compressionRatio: 2.5 })).toBe('repetition')
    const again = { ...good, isCut: false, charactersPerSecond: 15 }
    expect(isSaidAgain(again)).toBe(true)
    expect(isSaidAgain({ ...again, noSpeechProb: null })).toBe(true)
    for (const change of [
      { isCut: true },
      { avgLogProb: -1.1 },
      { noSpeechProb: 0.7 },
      { charactersPerSecond: 50 },
    ])
      expect(isSaidAgain({ ...again, ...change })).toBe(false)
    expect(compressionRatio('a '.repeat(60))).toBeGreaterThan(2.4)
    expect(compressionRatio('The quick brown fox jumps over the lazy dog.')).toBeLessThan(1)
    expect(compressionRatio('')).toBe(0)
  })
})

describe('the prefix', () => {
  const vocabulary = whisperVocabulary({ languages: ['en', 'de', 'jw', 'no', 'zh'] })
  const { tokens } = special()

  it('[WH4] languages are found under other names for them, and told by ISO 639', () => {
    expect(modelLanguage('de-at', tokens.languages)).toBe('de')
    expect(modelLanguage('jv', tokens.languages)).toBe('jw')
    expect(modelLanguage('nb', tokens.languages)).toBe('no')
    expect(modelLanguage('hrv', tokens.languages)).toBeNull()
    expect(isoLanguage('jw')).toBe('jv')
    const logits = new Float32Array(vocabulary.size)
    logits[0] = 9
    logits[vocabulary.id('<|de|>')] = 2
    expect(likeliestLanguage([logits], tokens.languages, tokens.noSpeech)).toBe('de')
  })

  it('[WH8] start, language and task; before them what was said before', () => {
    const prefix = prefixOf(tokens, { language: 'de', task: 'translate', conditioning: [5, 6] })
    const ids = ['<|startoftranscript|>', '<|de|>', '<|translate|>'].map((token) => vocabulary.id(token))
    expect(prefix).toEqual({ tokens: [vocabulary.id('<|startofprev|>'), 5, 6, ...ids], startIndex: 3 })
    const english = {
      ...tokens,
      languages: new Map<string, number>(),
      transcribe: null,
      startOfPrevious: null,
    }
    expect(prefixOf(english, { language: null, task: 'transcribe', conditioning: [5] })).toEqual({
      tokens: [vocabulary.id('<|startoftranscript|>')],
      startIndex: 0,
    })
  })

  it('[WH8] prompt and vocabulary take at most half of what the decoder holds: whole terms, and the prompt’s end', () => {
    const encode = (text: string) => Array.from(text, (character) => character.charCodeAt(0))
    const both = conditioningOf({ prompt: 'said', vocabulary: ['ab', 'cd'] }, encode, 448)
    expect(String.fromCharCode(...both.tokens)).toBe(' ab, cd. said')
    expect(both.leftOut).toBe(0)
    const tight = conditioningOf({ prompt: 'said', vocabulary: ['ab', 'cd'] }, encode, 22)
    expect(String.fromCharCode(...tight.tokens)).toBe(' ab. said')
    expect(tight.leftOut).toBe(1)
    const long = conditioningOf({ prompt: 'x'.repeat(300), vocabulary: ['ab'] }, encode, 448)
    expect(long.tokens).toHaveLength(223)
    expect(long.leftOut).toBe(1)
  })

  function special(change: object = {}): { tokens: SpecialTokens } {
    const config = { ...generationConfig(vocabulary, []), ...change }
    const result = specialTokens(config as Parameters<typeof specialTokens>[0], lookup, vocabulary.size)
    if ('problem' in result) throw new Error(result.problem)
    return result
  }

  it('[WH4] what is no speech does not decide the language; NaN decides nothing', () => {
    const { languages, noSpeech } = special().tokens
    const chunk = (code: string, certainty: number, silence: number) => {
      const logits = new Float32Array(vocabulary.size)
      logits[languages.get(code) ?? 0] = certainty
      logits[noSpeech ?? 0] = silence
      return logits
    }
    const music = chunk('no', 30, 60)
    const speech = chunk('de', 6, 0)
    expect(likeliestLanguage([music, speech], languages, noSpeech)).toBe('de')
    expect(likeliestLanguage([music, music], languages, noSpeech)).toBe('no')
    expect(likeliestLanguage([speech, chunk('en', 5, 0), speech], languages, null)).toBe('de')
    const none = new Float32Array(vocabulary.size).fill(Number.NaN)
    expect(likeliestLanguage([speech, none], languages, noSpeech)).toBeNull()
  })

  it('[WH4] files without a list of languages have those of the tokenizer', () => {
    const { languages, translate } = special({
      lang_to_id: undefined,
      task_to_id: undefined,
      is_multilingual: undefined,
    }).tokens
    expect([...languages.keys()].sort()).toEqual(['de', 'en', 'jw', 'no', 'zh'])
    expect(translate).toBe(vocabulary.id('<|translate|>'))
  })

  function lookup(token: string): number | undefined {
    try {
      return vocabulary.id(token)
    } catch {
      // The kit throws for a token that is not there.
      return undefined
    }
  }
})
