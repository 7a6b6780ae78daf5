import type { z } from 'zod'

/** The documents that engines write: JSON Lines of one kind, in time order. Lines come in, from wherever; no bucket here. */
export interface DocumentKind<Line extends Timed> {
  readonly schema: z.ZodType<Line>
  /** What a line is, as an error says it. */
  readonly noun: string
}

interface Timed {
  readonly start: number
  readonly end: number
}

/** What was read is no document of ours: reading it again will not help. */
export class UnreadableArtifact extends Error {}

/** The lines of a document, each examined, none kept. `key` is for the error. @throws UnreadableArtifact */
export async function* documentOf<Line extends Timed>(
  kind: DocumentKind<Line>,
  key: string,
  lines: AsyncIterable<string>,
): AsyncGenerator<Line> {
  let number = 0
  let startSeconds = 0
  for await (const text of lines) {
    number++
    const line = kind.schema.safeParse(parseJson(text))
    const wrong = line.success
      ? wrongOrder(line.data, startSeconds)
      : `is no ${kind.noun}${placeOf(line.error)}`
    if (!line.success || wrong !== null)
      throw new UnreadableArtifact(`line ${number} of the artifact ${key} ${wrong}`)
    startSeconds = line.data.start
    yield line.data
  }
}

/** The lines of several documents as one stream, by start; of equal starts the document that was named first. */
export async function* inTimeOrder<Line>(
  documents: readonly AsyncIterable<Line>[],
  startOf: (line: Line) => number,
): AsyncGenerator<Line> {
  const readers = documents.map((document) => document[Symbol.asyncIterator]())
  try {
    const heads = await Promise.all(readers.map((reader) => reader.next()))
    for (;;) {
      const first = earliest(heads, startOf)
      const [head, reader] = [heads[first], readers[first]]
      if (head === undefined || head.done === true || reader === undefined) return
      yield head.value
      heads[first] = await reader.next()
    }
  } finally {
    await Promise.allSettled(readers.map((reader) => reader.return?.()))
  }
}

/** The place of the line that starts first; -1 when all have ended. */
function earliest<Line>(heads: readonly IteratorResult<Line>[], startOf: (line: Line) => number): number {
  let place = -1
  let startSeconds = Number.POSITIVE_INFINITY
  for (const [index, head] of heads.entries()) {
    if (head.done === true || startOf(head.value) >= startSeconds) continue
    place = index
    startSeconds = startOf(head.value)
  }
  return place
}

function wrongOrder({ start, end }: Timed, beforeSeconds: number): string | null {
  if (end < start) return `ends at ${end} s, before it starts (${start} s)`
  if (start < beforeSeconds) return `starts at ${start} s, before the line before it (${beforeSeconds} s)`
  return null
}

/** Where it does not fit, never what stands there: that may be somebody's words. */
function placeOf({ issues: [issue] }: z.ZodError): string {
  return issue === undefined || issue.path.length === 0 ? '' : ` (${issue.path.join('.')})`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // no JSON is no line of any kind either
  }
}
