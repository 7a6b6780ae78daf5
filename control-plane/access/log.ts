/** One JSON line. Fields are ids and codes: never keys, tokens or transcript text. */
export function logError(event: string, cause: unknown, fields: Readonly<Record<string, string>> = {}): void {
  console.error(JSON.stringify({ level: 'error', event, message: exactMessage(cause), ...fields }))
}

/**
 * What went wrong, in the words of whoever noticed first. Errors that wrap it are left out: the database driver's carry
 * the values of the query, such as hashes and names.
 */
export function exactMessage(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error ? exactMessage(cause.cause) : cause.message
}
