/**
 * One JSON line for each event. Callers pass ids, counts, codes and sentences of our own; never a token, a file name of a
 * caller, or text of a transcript.
 */
export type Log = (event: string, fields?: Readonly<Record<string, string | number | boolean | null>>) => void

export function jsonLog(write: (line: string) => void): Log {
  return (event, fields = {}) =>
    write(`${JSON.stringify({ at: new Date().toISOString(), event, ...fields })}\n`)
}

/** The sentence of something thrown, cut to a line. */
export function sentenceOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error)
  return text.replace(/\s+/g, ' ').slice(0, 300) || 'unknown error'
}
