/** What SentencePiece writes for a space: it begins a word. */
const WORD_START = '▁'
const BLANK = '<blk>'
/** Tokens that steer and write nothing: `<unk>`, `<pad>`, `<|en|>`. */
const CONTROL = /^(?:<\|.*\|>|<unk>|<pad>|<s>|<\/s>)$/
/** Part of a letter: what SentencePiece writes where it has no token for one. */
const BYTE = /^<0x[0-9A-F]{2}>$/
/** Marks that stand behind a word, or around one. */
const PUNCTUATION = /^\p{P}+$/u

export interface Token {
  /** Without the sign of a word's start. */
  readonly text: string
  readonly startsWord: boolean
  readonly isPunctuation: boolean
}

export class VocabularyError extends Error {}

/** The tokens of a model, by their numbers. */
export class Vocabulary {
  readonly tokens: readonly Token[]
  /** The number of the token that writes nothing: the last one. */
  readonly blank: number

  private constructor(pieces: readonly string[]) {
    this.tokens = pieces.map(tokenOf)
    this.blank = pieces.length - 1
  }

  /** Blank and all. */
  get size(): number {
    return this.tokens.length
  }

  /** Reads `vocab.txt`: a token, a space and its number a line, `<blk>` last. Throws `VocabularyError` with the line. */
  static parse(text: string): Vocabulary {
    const pieces: string[] = []
    for (const [index, line] of text.split('\n').entries()) {
      const entry = line.replace(/\r$/, '')
      if (entry === '') continue
      const space = entry.lastIndexOf(' ')
      const id = entry.slice(space + 1)
      if (space < 1 || !/^\d{1,6}$/.test(id))
        throw new VocabularyError(
          `line ${index + 1}: expected a token, a space and its number, came ${JSON.stringify(entry.slice(0, 60))}`,
        )
      if (pieces[Number(id)] !== undefined)
        throw new VocabularyError(`line ${index + 1}: the number ${id} stands there twice`)
      // Some exporters write the sign as what it stands for.
      const piece = entry.slice(0, space).replaceAll(' ', WORD_START)
      if (BYTE.test(piece))
        throw new VocabularyError(`line ${index + 1}: ${piece}: tokens that are bytes are not supported`)
      pieces[Number(id)] = piece
    }
    const missing = Array.from(pieces, (piece) => piece !== undefined).indexOf(false)
    if (missing >= 0) throw new VocabularyError(`expected every number once, ${missing} is missing`)
    if (pieces.length < 2 || pieces.at(-1) !== BLANK)
      throw new VocabularyError(
        `expected ${BLANK} as the last of at least two tokens, the last is ${JSON.stringify(pieces.at(-1) ?? null)}`,
      )
    if (pieces.indexOf(BLANK) < pieces.length - 1)
      throw new VocabularyError(`expected ${BLANK} once, it is ${pieces.indexOf(BLANK)} as well`)
    if (!pieces.some((piece) => piece.startsWith(WORD_START)))
      throw new VocabularyError(`expected tokens that begin with ${WORD_START}: without it no word ends`)
    return new Vocabulary(pieces)
  }
}

function tokenOf(piece: string): Token {
  const startsWord = piece.startsWith(WORD_START)
  const written = piece === BLANK || CONTROL.test(piece) ? '' : piece.replaceAll(WORD_START, '')
  return { text: written, startsWord, isPunctuation: PUNCTUATION.test(written) }
}
