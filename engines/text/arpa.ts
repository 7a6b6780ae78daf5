/**
 * Reads ARPA n-gram files: `\data\`, a section for each order, `\end\`; fields by tab or space; base-10 logarithms in the file,
 * natural ones out. Pure.
 */
export interface Arpa {
  /** [n − 1]: n-grams of that order, as the header says. */
  readonly counts: readonly number[]
  /** Every n-gram in the file's order; iterated once. Throws an `ArpaError` where the text goes wrong. */
  readonly ngrams: Iterable<ArpaNgram>
}

export interface ArpaNgram {
  readonly words: readonly string[]
  readonly logProb: number
  /** 0 where the file gives none. */
  readonly logBackoff: number
}

/** Text that is no ARPA. The message names the line. */
export class ArpaError extends Error {
  override name = 'ArpaError'
}

const LN_10 = Math.log(10)
/** `0 a` and a line's end. */
const LEAST_LINE = 4

export function readArpa(text: string): Arpa {
  const lines = linesOf(text)
  const counts = readHeader(lines)
  const total = counts.reduce((sum, count) => sum + count, 0)
  // Whoever believes the header makes room for so many.
  if (total > text.length / LEAST_LINE)
    throw new ArpaError(`the header says ${total} n-grams, more than the file has room for`)
  return { counts, ngrams: readSections(lines, counts) }
}

/** Up to the line `\1-grams:`. Lines before `\data\` are comments. */
function readHeader(lines: Iterator<Line, undefined>): number[] {
  const counts: number[] = []
  let inHeader = false
  for (let next = lines.next(); !next.done; next = lines.next()) {
    const { line, number } = next.value
    const count = /^ngram (\d+) *= *(\d+)$/.exec(line)
    if (line === '\\data\\') inHeader = true
    else if (line === '\\1-grams:' && counts.length > 0) return counts
    else if (inHeader && count !== null && Number(count[1]) === counts.length + 1)
      counts.push(Number(count[2]))
    else if (inHeader && line !== '') throw unexpected(number, `ngram ${counts.length + 1}=<count>`, line)
  }
  throw new ArpaError('no \\data\\ header with counts, followed by \\1-grams:')
}

function* readSections(lines: Iterator<Line, undefined>, counts: readonly number[]): Generator<ArpaNgram> {
  let order = 1
  let seen = 0
  for (let next = lines.next(); !next.done; next = lines.next()) {
    const { line, number } = next.value
    if (line === '') continue
    if (!line.startsWith('\\')) {
      seen += 1
      yield ngramOf(line, order, number)
      continue
    }
    const said = counts[order - 1]
    if (seen !== said)
      throw new ArpaError(`line ${number}: ${seen} n-grams of order ${order}, the header says ${said}`)
    if (line === '\\end\\' && order === counts.length) return
    const expected = order === counts.length ? '\\end\\' : `\\${order + 1}-grams:`
    if (line !== expected) throw unexpected(number, expected, line)
    order += 1
    seen = 0
  }
  throw new ArpaError(`ends inside \\${order}-grams: after ${seen} n-grams, without \\end\\`)
}

function ngramOf(line: string, order: number, number: number): ArpaNgram {
  const fields = line.split(/[\t ]+/)
  const logProb = Number(fields[0])
  const logBackoff = fields.length === order + 2 ? Number(fields[order + 1]) : 0
  if (fields.length < order + 1 || fields.length > order + 2 || Number.isNaN(logProb + logBackoff))
    throw unexpected(number, `log10, ${order} words and perhaps a backoff`, line)
  if (logProb > 0 || logBackoff === Number.POSITIVE_INFINITY)
    throw unexpected(number, 'the log10 of a probability, which is not above 0', line)
  return { words: fields.slice(1, order + 1), logProb: logProb * LN_10, logBackoff: logBackoff * LN_10 }
}

function unexpected(number: number, expected: string, line: string): ArpaError {
  return new ArpaError(`line ${number}: expected ${expected}, came ${line.slice(0, 60)}`)
}

interface Line {
  readonly line: string
  readonly number: number
}

function* linesOf(text: string): Generator<Line, undefined> {
  let number = 0
  for (let from = 0; from < text.length; ) {
    const newline = text.indexOf('\n', from)
    const to = newline === -1 ? text.length : newline
    number += 1
    yield { line: text.slice(from, to).trim(), number }
    from = to + 1
  }
}
