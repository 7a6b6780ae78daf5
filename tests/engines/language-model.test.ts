import { describe, expect, it } from 'vitest'
import { LanguageModel } from '#engines/text/language-model.ts'
import { buildLexicon } from '#engines/text/lexicon.ts'
import { PairTable } from '#engines/text/pair-table.ts'
import { seeded } from '#tests/kit/seeded.ts'

const ARPA = `a comment before the header
\\data\\
ngram 1=5
ngram 2=3
ngram 3=2

\\1-grams:
-99 <s> -0.5
-1.0\t<unk>
-0.4\tthe\t-0.3
-0.8 cat -0.2
-0.9\tsat

\\2-grams:
-0.1\t<s> the\t-0.25
-0.2\tthe cat\t-0.35
-0.6\tcat sat

\\3-grams:
-0.05\t<s> the cat
-0.15\tthe cat sat

\\end\\
`

/** log10 of the words' probabilities after `<s>`, one by one. */
function scores(model: LanguageModel, ...words: string[]): number[] {
  let state = model.start
  return words.map((word) => {
    const score = model.score(state, model.wordId(word))
    state = model.next
    return Math.round((score / Math.LN10) * 1e6) / 1e6
  })
}

describe('language model', () => {
  const model = LanguageModel.parse(ARPA)

  it('[D10] uses the longest n-gram that the file has', () => {
    expect(model.order).toBe(3)
    expect(scores(model, 'the', 'cat', 'sat')).toEqual([-0.1, -0.05, -0.15])
  })

  it('[D10] backs off with the weight of each history that has no such continuation', () => {
    // "<s> the sat": backoff(<s> the) + backoff(the) + P(sat); then "cat" after "sat", which has no backoff.
    expect(scores(model, 'the', 'sat', 'cat')).toEqual([-0.1, -1.45, -0.8])
    expect(scores(model, 'sat')).toEqual([-1.4])
  })

  it('[D10] an unknown word is <unk>, and nothing is left of the history behind it', () => {
    expect(scores(model, 'dog', 'the')).toEqual([-1.5, -0.4])
  })

  it('[D10] histories with the same future are one state', () => {
    const after = (...words: string[]) => {
      scores(model, ...words)
      return model.next
    }
    expect(after('sat')).toBe(after('the', 'sat'))
    expect(after('cat')).not.toBe(after('the', 'cat'))
  })

  it('[D10] gives its words without its marks', () => {
    expect([...model.words()].sort()).toEqual(['cat', 'sat', 'the'])
  })

  it.each([
    ['no header', 'hello\n', /no \\data\\ header/],
    [
      'a count that is not kept',
      ARPA.replace('ngram 2=3', 'ngram 2=4'),
      /3 n-grams of order 2, the header says 4/,
    ],
    ['a line that is none', ARPA.replace('-0.6\tcat sat', 'xx\tcat sat'), /line 17: expected log10, 2 words/],
    ['a word without an entry', ARPA.replace('cat sat', 'cat dog'), /"dog" is in an n-gram/],
    ['no end', ARPA.replace('\\end\\', ''), /without \\end\\/],
    [
      'a count beyond all memory',
      ARPA.replace('ngram 2=3', 'ngram 2=999999999999'),
      /header says 10000000000\d\d n-grams, more than the file has room for/,
    ],
    [
      'what is no logarithm of a probability',
      ARPA.replace('-0.6\tcat sat', '0.6\tcat sat'),
      /line 17: .* not above 0/,
    ],
    ['a section out of order', ARPA.replace('\\3-grams:', '\\4-grams:'), /expected \\3-grams:/],
  ])('[D11] refuses %s and says where', (_, text, message) => {
    expect(() => LanguageModel.parse(text)).toThrow(message)
  })
})

describe('lexicon', () => {
  const tokenOf = (character: string) => ({ a: 2, b: 3, "'": 4 })[character]

  it('[D12] is a tree whose nodes end words', () => {
    const lexicon = buildLexicon(['ba', 'a', 'ab', 'ab', '', "a'b"], tokenOf)
    expect(lexicon.words).toEqual(['a', 'ab', "a'b", 'ba'])
    for (const [index, spelling] of lexicon.spellings.entries()) {
      let node = 0
      for (const token of spelling) {
        const first = lexicon.firstChild[node] ?? 0
        const children = lexicon.token.subarray(first, first + (lexicon.childCount[node] ?? 0))
        expect(children).toContain(token)
        node = first + children.indexOf(token)
      }
      expect(lexicon.word[node]).toBe(index)
    }
    expect([...lexicon.word].filter((word) => word !== -1)).toHaveLength(4)
  })

  it('[D12] names the word that the tokens cannot spell', () => {
    expect(() => buildLexicon(['a', 'axb'], tokenOf)).toThrow('"axb" has "x"')
  })
})

describe('pair table', () => {
  it('[D13] agrees with a Map, also after growing', () => {
    const table = new PairTable(4)
    const truth = new Map<string, number>()
    const random = seeded(1)
    for (let round = 0; round < 5000; round++) {
      const [a, b] = [Math.floor(random() * 100), Math.floor(random() * 100)]
      expect(table.get(a, b)).toBe(truth.get(`${a} ${b}`) ?? -1)
      table.set(a, b, round)
      truth.set(`${a} ${b}`, round)
    }
  })
})
