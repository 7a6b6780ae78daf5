/** A collector answers within this, or counts as away. */
const LIMIT_MS = 10_000

/**
 * OTLP/HTTP with JSON. True when the collector took it, false when it refused it for good; throws when it should be tried
 * again (the OTLP specification names 429, 502, 503 and 504 as such).
 */
export async function postTrace(endpoint: string, body: unknown): Promise<boolean> {
  const response = await fetch(`${endpoint.replace(/\/+$/, '')}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(LIMIT_MS),
  })
  await response.body?.cancel()
  if ([429, 502, 503, 504].includes(response.status))
    throw new Error(`the collector answered ${response.status}`)
  return response.ok
}
