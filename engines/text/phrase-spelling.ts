import type { Phrase } from './phrase-graph.ts'

/**
 * A term of a caller's vocabulary in a model's own letters: as it is written, else in lower or upper case, else without
 * accents; spaces and hyphens end words, marks that the model does not write are left out. Null where the model has no
 * letters for it. Pure.
 */
export function spellPhrase(term: string, tokenOf: (character: string) => number | undefined): Phrase | null {
  const plain = term.replaceAll('’', "'")
  for (const form of [plain, withoutAccents(plain)]) {
    for (const written of [form, form.toLowerCase(), form.toUpperCase()]) {
      const words = written
        .split(/[\s\p{Pd}]+/u)
        .map((word) => spellWord(word, tokenOf))
        .filter((word) => word === null || word.length > 0)
      const spelled = words.filter((word) => word !== null)
      if (spelled.length > 0 && spelled.length === words.length) return spelled
    }
  }
  return null
}

function spellWord(word: string, tokenOf: (character: string) => number | undefined): number[] | null {
  const tokens: number[] = []
  for (const character of word.normalize('NFC')) {
    const token = tokenOf(character)
    if (token !== undefined) tokens.push(token)
    else if (!/\p{P}/u.test(character)) return null
  }
  return tokens
}

function withoutAccents(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '')
}
