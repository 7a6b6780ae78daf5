import { Pool, TenantId } from '#protocol/ids.ts'
import { keyPrefix } from '#protocol/key.ts'
import { findKey, findKeyById, type KeyRow, replaceKey } from '#store/keys.ts'
import { hashSecret } from '../access/hmac.ts'
import type { Bindings } from '../env.ts'
import type { Caller } from './caller.ts'

const ADMIN_KEY_ID = 'key_admin'
const DEFAULT_TENANT = TenantId.parse('default')
const DEFAULT_POOL = Pool.parse('default')

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
