import { z } from 'zod'
import { TaskId } from '#protocol/ids.ts'
import { fromBase64Url, hmac, toBase64Url, verifyHmac } from './hmac.ts'

/**
 * Task tokens: `tt.<claims>.<signature>`, the bearer for one task's artifacts. Checked without asking any object: the
 * claims say which task and fence, the one prefix that may be written, and until when. Everything of the same job may be read.
 */
const TokenClaims = z.strictObject({
  taskId: TaskId,
  fence: z.int().min(1),
  outputPrefix: z.string().min(1),
  expiresAtMs: z.int(),
})
export type TokenClaims = z.infer<typeof TokenClaims>

export async function mintTaskToken(secret: string, claims: TokenClaims): Promise<string> {
  const payload = toBase64Url(new TextEncoder().encode(JSON.stringify(claims)))
  return `tt.${payload}.${toBase64Url(await hmac(secret, `task:${payload}`))}`
}

/** The claims of a token that was signed here and is not over; else null. */
export async function verifyTaskToken(
  secret: string,
  token: string,
  nowMs: number,
): Promise<TokenClaims | null> {
  const [kind, payload, signature, ...rest] = token.split('.')
  if (kind !== 'tt' || payload === undefined || signature === undefined || rest.length > 0) return null
  const bytes = fromBase64Url(signature)
  if (bytes === null || !(await verifyHmac(secret, `task:${payload}`, bytes))) return null
  const json = fromBase64Url(payload)
  if (json === null) return null
  // The signature proves that mintTaskToken wrote it; the schema guards against an older form.
  const claims = TokenClaims.safeParse(JSON.parse(new TextDecoder().decode(json)))
  return claims.success && claims.data.expiresAtMs > nowMs ? claims.data : null
}
