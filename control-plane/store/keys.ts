import { and, eq, isNull, ne } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { Pool, TenantId } from '#protocol/ids.ts'
import { consoleSessions, keys, signInLinks } from './schema.ts'

export interface KeyRow {
  readonly id: string
  readonly tenantId: TenantId
  readonly pool: Pool
}

const columns = { id: keys.id, tenantId: keys.tenantId, pool: keys.pool }

export async function findKey(db: D1Database, hash: string): Promise<KeyRow | null> {
  const [row] = await drizzle(db)
    .select(columns)
    .from(keys)
    .where(and(eq(keys.hash, hash), isNull(keys.revokedAtMs)))
  return row === undefined ? null : parseRow(row)
}

export async function findKeyById(db: D1Database, id: string): Promise<KeyRow | null> {
  const [row] = await drizzle(db)
    .select(columns)
    .from(keys)
    .where(and(eq(keys.id, id), isNull(keys.revokedAtMs)))
  return row === undefined ? null : parseRow(row)
}

export interface NewKeyRow extends KeyRow {
  readonly name: string
  readonly hash: string
  readonly prefix: string
  readonly lastFour: string
  readonly createdAtMs: number
}

/**
 * Puts a key in the place of the one with its id, whose console sessions and links end. The very same key stays as it is:
 * a revoked one does not come back.
 */
export async function replaceKey(db: D1Database, row: NewKeyRow): Promise<void> {
  const { id, hash, prefix, lastFour, createdAtMs } = row
  const set = { hash, prefix, lastFour, createdAtMs, revokedAtMs: null }
  const setWhere = ne(keys.hash, hash)
  const database = drizzle(db)
  await database.batch([
    database.delete(consoleSessions).where(eq(consoleSessions.keyId, id)),
    database.delete(signInLinks).where(eq(signInLinks.keyId, id)),
    database.insert(keys).values(row).onConflictDoUpdate({ target: keys.id, set, setWhere }),
  ])
}

function parseRow(row: { id: string; tenantId: string; pool: string }): KeyRow {
  return { id: row.id, tenantId: TenantId.parse(row.tenantId), pool: Pool.parse(row.pool) }
}
