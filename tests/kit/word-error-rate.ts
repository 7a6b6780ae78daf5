export interface WordErrors {
  /** Changed, missing and additional words. */
  readonly errors: number
  /** Words of the truth. */
  readonly words: number
}

/** The Levenshtein distance over words, after nothing but splitting at white space. */
export function wordErrors(truth: string, heard: string): WordErrors {
  const expected = truth.split(/\s+/).filter((word) => word !== '')
  const came = heard.split(/\s+/).filter((word) => word !== '')
  let row = Array.from({ length: came.length + 1 }, (_, index) => index)
  for (const [index, word] of expected.entries()) {
    const next = [index + 1]
    for (const [place, other] of came.entries()) {
      const changed = (row[place] ?? 0) + (word === other ? 0 : 1)
      next.push(Math.min(changed, (row[place + 1] ?? 0) + 1, (next[place] ?? 0) + 1))
    }
    row = next
  }
  return { errors: row[came.length] ?? 0, words: expected.length }
}

/** All errors over all words of the truth: longer sentences weigh more. */
export function wordErrorRate(pairs: Iterable<readonly [truth: string, heard: string]>): number {
  let errors = 0
  let words = 0
  for (const [truth, heard] of pairs) {
    const one = wordErrors(truth, heard)
    errors += one.errors
    words += one.words
  }
  return words === 0 ? 0 : errors / words
}
