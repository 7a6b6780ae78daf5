import type { CreatedJoinToken, Joined } from '#protocol/api.ts'
import { AgentId, newId, type Pool, Pool as PoolSchema, TenantId } from '#protocol/ids.ts'
import { KEY_RANDOM_BYTES, keyPrefix, newKey } from '#protocol/key.ts'
import {
  type AgentRow,
  findAgent,
  findJoinToken,
  type JoinTokenRow,
  saveAgent,
  saveJoinToken,
} from '#store/agents.ts'
import { findKey, findKeyById, type KeyRow, replaceKey } from '#store/keys.ts'
import { hashSecret } from '../access/hmac.ts'
import type { Bindings } from '../env.ts'
import type { Caller } from './caller.ts'

const ADMIN_KEY_ID = 'key_admin'
const DEFAULT_TENANT = TenantId.parse('default')
const DEFAULT_POOL = PoolSchema.parse('default')

/**
 * The caller of an API key; null for one that is malformed, unknown or revoked. The first key of an installation is the
 * secret ADMIN_KEY: its hash enters the table when it is first used, and an ADMIN_KEY before it opens nothing any more.
 */
export async function callerOfKey(env: Bindings, key: string): Promise<Caller | null> {
  if (keyPrefix(key) !== 'dk') return null
  const hash = await hashSecret(env.TOKEN_SECRET, key)
  const row = (await findKey(env.DB, hash)) ?? (await admitAdminKey(env, key, hash))
  if (row === null) return null
  if (row.id === ADMIN_KEY_ID && !(await isAdminKey(env, hash))) return null
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

/** Where a join token leads; null for one that is malformed, unknown or over. */
export async function invitationOf(env: Bindings, token: string): Promise<JoinTokenRow | null> {
  if (keyPrefix(token) !== 'dj') return null
  return findJoinToken(env.DB, await hashSecret(env.TOKEN_SECRET, token), Date.now())
}

/** A join token becomes a credential of one agent. */
export async function joinAgent(env: Bindings, invitation: JoinTokenRow, name: string): Promise<Joined> {
  const nowMs = Date.now()
  const { tenantId, pool } = invitation
  const credential = newKey('da', randomBytes(KEY_RANDOM_BYTES))
  const id = AgentId.parse(newId('agent', nowMs, randomBytes(16)))
  const credentialHash = await hashSecret(env.TOKEN_SECRET, credential)
  await saveAgent(env.DB, { id, tenantId, pool, name, credentialHash, createdAtMs: nowMs })
  return { agent_id: id, pool, credential }
}

/** The agent of a credential; null for one that is malformed, unknown or revoked. */
export async function agentOfCredential(env: Bindings, credential: string): Promise<AgentRow | null> {
  if (keyPrefix(credential) !== 'da') return null
  return findAgent(env.DB, await hashSecret(env.TOKEN_SECRET, credential))
}

export function randomBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count))
}

/** The first use of ADMIN_KEY, or of the one that took its place. A revoked one stays revoked. */
async function admitAdminKey(env: Bindings, key: string, hash: string): Promise<KeyRow | null> {
  if (!(await isAdminKey(env, hash))) return null
  const row = { id: ADMIN_KEY_ID, tenantId: DEFAULT_TENANT, pool: DEFAULT_POOL, name: 'admin' }
  const parts = { hash, prefix: key.slice(0, 6), lastFour: key.slice(-4), createdAtMs: Date.now() }
  await replaceKey(env.DB, { ...row, ...parts })
  return findKey(env.DB, hash)
}

async function isAdminKey(env: Bindings, hash: string): Promise<boolean> {
  return hash === (await hashSecret(env.TOKEN_SECRET, env.ADMIN_KEY))
}
