import type { CreatedJoinToken, Joined } from '#protocol/api.ts'
import { AgentId, newId, type Pool, Pool as PoolSchema, TenantId } from '#protocol/ids.ts'
import { KEY_RANDOM_BYTES, keyPrefix, newKey } from '#protocol/key.ts'
import { type AgentRow, findAgent, findJoinToken, saveAgent, saveJoinToken } from '#store/agents.ts'
import { findKey, findKeyById, saveKey } from '#store/keys.ts'
import { hashSecret } from '../access/hmac.ts'
import type { Bindings } from '../env.ts'
import { ProblemError } from '../problem-error.ts'
import type { Caller } from './caller.ts'

const DEFAULT_TENANT = TenantId.parse('default')
const DEFAULT_POOL = PoolSchema.parse('default')

/**
 * The caller of an API key; null for one that is malformed, unknown or revoked. The first key of an installation is the
 * secret ADMIN_KEY: its hash enters the table when it is first used.
 */
export async function callerOfKey(env: Bindings, key: string): Promise<Caller | null> {
  if (keyPrefix(key) !== 'dk') return null
  const hash = await hashSecret(env.TOKEN_SECRET, key)
  const known = await findKey(env.DB, hash)
  if (known !== null) return { keyId: known.id, tenantId: known.tenantId, pool: known.pool }
  if (hash !== (await hashSecret(env.TOKEN_SECRET, env.ADMIN_KEY))) return null
  const row = { id: 'key_admin', tenantId: DEFAULT_TENANT, pool: DEFAULT_POOL, name: 'admin' }
  const parts = { hash, prefix: key.slice(0, 6), lastFour: key.slice(-4), createdAtMs: Date.now() }
  await saveKey(env.DB, { ...row, ...parts })
  // A row of that id with another hash is an earlier, rotated ADMIN_KEY: the secret itself is the proof then.
  return { keyId: row.id, tenantId: row.tenantId, pool: row.pool }
}

export async function callerOfKeyId(env: Bindings, keyId: string): Promise<Caller | null> {
  const row = await findKeyById(env.DB, keyId)
  return row === null ? null : { keyId: row.id, tenantId: row.tenantId, pool: row.pool }
}

export async function createJoinToken(
  env: Bindings,
  caller: Caller,
  wanted: { readonly pool?: Pool | undefined; readonly expires_in_seconds: number },
): Promise<CreatedJoinToken> {
  const token = newKey('dj', randomBytes(KEY_RANDOM_BYTES))
  const pool = wanted.pool ?? caller.pool
  const createdAtMs = Date.now()
  const expiresAtMs = createdAtMs + wanted.expires_in_seconds * 1000
  const hash = await hashSecret(env.TOKEN_SECRET, token)
  await saveJoinToken(env.DB, { hash, tenantId: caller.tenantId, pool, createdAtMs, expiresAtMs })
  return { token, pool, expires_at: new Date(expiresAtMs).toISOString() }
}

/** A join token becomes a credential of one agent. */
export async function joinAgent(env: Bindings, token: string, name: string): Promise<Joined> {
  const nowMs = Date.now()
  const isJoinToken = keyPrefix(token) === 'dj'
  const row = isJoinToken
    ? await findJoinToken(env.DB, await hashSecret(env.TOKEN_SECRET, token), nowMs)
    : null
  if (row === null) {
    throw new ProblemError(
      'unauthorized',
      'Expected a join token (dj_…) that is valid now. Get a new one with `dalston agents token`.',
    )
  }
  const credential = newKey('da', randomBytes(KEY_RANDOM_BYTES))
  const id = AgentId.parse(newId('agent', nowMs, randomBytes(16)))
  const credentialHash = await hashSecret(env.TOKEN_SECRET, credential)
  await saveAgent(env.DB, { id, ...row, name, credentialHash, createdAtMs: nowMs })
  return { agent_id: id, pool: row.pool, credential }
}

/** The agent of a credential; null for one that is malformed, unknown or revoked. */
export async function agentOfCredential(env: Bindings, credential: string): Promise<AgentRow | null> {
  if (keyPrefix(credential) !== 'da') return null
  return findAgent(env.DB, await hashSecret(env.TOKEN_SECRET, credential))
}

export function randomBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count))
}
