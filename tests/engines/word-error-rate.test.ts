import { describe, expect, it } from 'vitest'
import { wordErrorRate, wordErrors } from '#tests/kit/word-error-rate.ts'

describe('word error rate', () => {
  it.each([
    ['the cat sat', 'the cat sat', 0],
    ['the cat sat', 'the cat', 1],
    ['the cat sat', 'the hat sat on', 2],
    ['the cat sat', '', 3],
    ['', 'the cat', 2],
    ['a b c d', 'b c d e', 2],
  ])('%j heard as %j: %i errors', (truth, heard, errors) => {
    expect(wordErrors(truth, heard)).toEqual({ errors, words: truth === '' ? 0 : truth.split(' ').length })
  })

  it('weighs by words, not by sentences', () => {
    expect(
      wordErrorRate([
        ['a b c', 'a b c'],
        ['d', 'e'],
      ]),
    ).toBe(0.25)
  })
})
