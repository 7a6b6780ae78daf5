/**
 * The words that a decoder may write, as a tree of tokens in flat arrays. Node 0 is the root; the children of a node lie
 * side by side from `firstChild[node]`, `childCount[node]` of them, in the order of their tokens. Pure.
 */
export interface Lexicon {
  readonly words: readonly string[]
  /** The token ids of each word. */
  readonly spellings: readonly (readonly number[])[]
  /** The token that leads to a node. */
  readonly token: Int32Array
  readonly firstChild: Int32Array
  readonly childCount: Int32Array
  /** The word that ends at a node, or −1. */
  readonly word: Int32Array
  /** The largest `childCount`. */
  readonly widest: number
}

/** A word that the tokens cannot spell. The message names the word and the character. */
export class LexiconError extends Error {
  override name = 'LexiconError'
}

/** Words spelled by one-character tokens; `tokenOf` gives a character's token, undefined where there is none. */
export function buildLexicon(
  words: Iterable<string>,
  tokenOf: (character: string) => number | undefined,
): Lexicon {
  const entries = [...new Set(words)]
    .filter((word) => word !== '')
    .map((word) => ({ word, spelling: Array.from(word, (character) => spell(word, character, tokenOf)) }))
    .sort((a, b) => compare(a.spelling, b.spelling))
  const spellings = entries.map((entry) => entry.spelling)
  return { words: entries.map((entry) => entry.word), spellings, ...treeOf(spellings) }
}

function spell(word: string, character: string, tokenOf: (character: string) => number | undefined): number {
  const token = tokenOf(character)
  if (token === undefined) throw new LexiconError(`the word "${word}" has "${character}", which is no token`)
  return token
}

/**
 * Breadth first over ranges of the sorted spellings: each node is the range that shares its letters, so children of one
 * node are written one after the other.
 */
function treeOf(spellings: readonly (readonly number[])[]): Omit<Lexicon, 'words' | 'spellings'> {
  const token = [-1]
  const firstChild: number[] = []
  const childCount: number[] = []
  const word: number[] = []
  const ranges = [{ from: 0, to: spellings.length, depth: 0 }]
  for (let node = 0; node < ranges.length; node++) {
    const range = ranges[node] ?? { from: 0, to: 0, depth: 0 }
    // The shortest spelling sorts first: it is this node's own word if it ends here.
    const ends = range.from < range.to && spellings[range.from]?.length === range.depth
    word.push(ends ? range.from : -1)
    firstChild.push(ranges.length)
    for (let from = range.from + (ends ? 1 : 0); from < range.to; ) {
      const next = spellings[from]?.[range.depth] ?? -1
      let to = from + 1
      while (to < range.to && spellings[to]?.[range.depth] === next) to++
      token.push(next)
      ranges.push({ from, to, depth: range.depth + 1 })
      from = to
    }
    childCount.push(ranges.length - (firstChild[node] ?? 0))
  }
  return {
    token: Int32Array.from(token),
    firstChild: Int32Array.from(firstChild),
    childCount: Int32Array.from(childCount),
    word: Int32Array.from(word),
    widest: childCount.reduce((most, count) => Math.max(most, count), 0),
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < a.length && index < b.length; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
