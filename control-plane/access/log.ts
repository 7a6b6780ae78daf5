/** One JSON line. Fields are ids and codes: never keys, tokens or transcript text. */
export function logError(event: string, cause: unknown, fields: Readonly<Record<string, string>> = {}): void {
  const message = cause instanceof Error ? cause.message : String(cause)
  console.error(JSON.stringify({ level: 'error', event, message, ...fields }))
}
