import type { CreatedJoinToken, JoinTokenView } from '#protocol/api.ts'
import { JoinTokenId, newId, type Pool } from '#protocol/ids.ts'
import { KEY_RANDOM_BYTES, keyPrefix, newKey } from '#protocol/key.ts'
import * as rows from '#store/join-tokens.ts'
import { hashSecret } from '../access/hmac.ts'
import type { Bindings } from '../env.ts'
import { notFound } from '../problem-error.ts'
import { randomBytes } from './access.ts'
import type { Caller } from './caller.ts'

/** What lets new agents in: made by a tenant, for one pool, good for as many agents as come before it is over. */
export async function createJoinToken(
  env: Bindings,
  caller: Caller,
  wanted: { readonly pool?: Pool | undefined; readonly expires_in_seconds: number },
): Promise<CreatedJoinToken> {
  const token = newKey('dj', randomBytes(KEY_RANDOM_BYTES))
  const pool = wanted.pool ?? caller.pool
  const createdAtMs = Date.now()
  const expiresAtMs = createdAtMs + wanted.expires_in_seconds * 1000
  const id = JoinTokenId.parse(newId('token', createdAtMs, randomBytes(16)))
  await rows.saveJoinToken(env.DB, {
    id,
    tenantId: caller.tenantId,
    pool,
    hash: await hashSecret(env.TOKEN_SECRET, token),
    prefix: token.slice(0, 6),
    lastFour: token.slice(-4),
    createdAtMs,
    expiresAtMs,
    usedCount: 0,
    revokedAtMs: null,
  })
  return { id, token, pool, expires_at: timestamp(expiresAtMs) }
}

export async function listJoinTokens(env: Bindings, caller: Caller): Promise<JoinTokenView[]> {
  const tokens = await rows.listJoinTokens(env.DB, caller.tenantId)
  return tokens.map((row) => ({
    id: row.id,
    prefix: row.prefix,
    last_four: row.lastFour,
    pool: row.pool,
    created_at: timestamp(row.createdAtMs),
    expires_at: timestamp(row.expiresAtMs),
    used_count: row.usedCount,
    revoked_at: row.revokedAtMs === null ? null : timestamp(row.revokedAtMs),
  }))
}

/** Agents that joined with it stay. */
export async function revokeJoinToken(env: Bindings, caller: Caller, id: JoinTokenId): Promise<void> {
  if (!(await rows.revokeJoinToken(env.DB, caller.tenantId, id, Date.now()))) throw notFound('join token')
}

/** Where a join token leads. */
export type Invitation = rows.JoinTokenRow

export type Invited =
  | { readonly ok: true; readonly invitation: Invitation }
  /** Null: it never was a token here. */
  | { readonly ok: false; readonly why: string | null }

export async function invitationOf(env: Bindings, token: string): Promise<Invited> {
  if (keyPrefix(token) !== 'dj') return { ok: false, why: null }
  const row = await rows.findJoinToken(env.DB, await hashSecret(env.TOKEN_SECRET, token))
  if (row === null) return { ok: false, why: null }
  if (row.revokedAtMs !== null) return { ok: false, why: `was revoked on ${minute(row.revokedAtMs)}` }
  if (row.expiresAtMs <= Date.now()) return { ok: false, why: `expired on ${minute(row.expiresAtMs)}` }
  return { ok: true, invitation: row }
}

function timestamp(atMs: number): string {
  return new Date(atMs).toISOString()
}

/** For people: `2026-11-20 12:00 UTC`. */
function minute(atMs: number): string {
  return `${timestamp(atMs).slice(0, 16).replace('T', ' ')} UTC`
}
