import { and, eq, isNull } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { Pool, TenantId } from '#protocol/ids.ts'
import { keys } from './schema.ts'

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

/** A key that is there already stays as it is: a revoked one does not come back. */
export async function saveKey(db: D1Database, row: NewKeyRow): Promise<void> {
  await drizzle(db).insert(keys).values(row).onConflictDoNothing()
}

function parseRow(row: { id: string; tenantId: string; pool: string }): KeyRow {
  return { id: row.id, tenantId: TenantId.parse(row.tenantId), pool: Pool.parse(row.pool) }
}
