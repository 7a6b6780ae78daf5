/**
 * Which tokens make a word (openai/whisper, `tokenizer.py`: `split_to_word_tokens`; `timing.py`: `merge_punctuations`).
 * Pure.
 */
export interface TokenWord {
  readonly text: string
  /** Positions in the list of tokens, end exclusive. */
  readonly first: number
  readonly end: number
}

/** Languages that write no spaces between words: there every character that can be read is one. */
const WITHOUT_SPACES = new Set(['zh', 'ja', 'th', 'lo', 'my', 'yue'])
const PREPENDED = '"\'“¡¿([{-'
const APPENDED = '"\'.。,，!！?？:：”)]}、'
const ONLY_PUNCTUATION = /^[\p{P}\u0021-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007E]+$/u
/** What a decoder writes for bytes that are no whole character yet. */
const BROKEN = '\uFFFD'

export type Decode = (tokens: readonly number[]) => string

export function splitWords(tokens: readonly number[], decode: Decode, language: string | null): TokenWord[] {
  const characters = wholeCharacters(tokens, decode)
  const words = language !== null && WITHOUT_SPACES.has(language) ? characters : joinedBySpaces(characters)
  return withPunctuation(words)
}

export function isPunctuation(text: string): boolean {
  return ONLY_PUNCTUATION.test(text)
}

/** The shortest runs of tokens that are whole characters. */
function wholeCharacters(tokens: readonly number[], decode: Decode): TokenWord[] {
  const whole = decode(tokens)
  const parts: TokenWord[] = []
  let first = 0
  let written = 0
  for (let end = 1; end <= tokens.length; end++) {
    const text = decode(tokens.slice(first, end))
    const broken = text.indexOf(BROKEN)
    // The character may be broken in the text as well: then it is whole.
    if (broken !== -1 && whole[written + broken] !== BROKEN) continue
    parts.push({ text, first, end })
    written += text.length
    first = end
  }
  return parts
}

function joinedBySpaces(parts: readonly TokenWord[]): TokenWord[] {
  const words: TokenWord[] = []
  for (const part of parts) {
    const last = words.at(-1)
    if (last === undefined || part.text.startsWith(' ') || isPunctuation(part.text.trim())) words.push(part)
    else words[words.length - 1] = joined(last, part)
  }
  return words
}

/** Opening marks go to the word behind them, closing ones to the word before. */
function withPunctuation(words: readonly TokenWord[]): TokenWord[] {
  const opened: TokenWord[] = []
  for (const word of words.toReversed()) {
    const next = opened[0]
    const opens = word.text.startsWith(' ') && PREPENDED.includes(word.text.trim())
    if (next !== undefined && opens) opened[0] = joined(word, next)
    else opened.unshift(word)
  }
  const closed: TokenWord[] = []
  for (const word of opened) {
    const last = closed.at(-1)
    if (last !== undefined && !last.text.endsWith(' ') && APPENDED.includes(word.text))
      closed[closed.length - 1] = joined(last, word)
    else closed.push(word)
  }
  return closed
}

function joined(left: TokenWord, right: TokenWord): TokenWord {
  return { text: left.text + right.text, first: left.first, end: right.end }
}
