import { and, desc, eq, gt, isNull, lte, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { JoinTokenId, Pool, TenantId } from '#protocol/ids.ts'
import { joinTokens } from './schema.ts'

export interface JoinTokenRow {
  readonly id: JoinTokenId
  readonly tenantId: TenantId
  readonly pool: Pool
  readonly prefix: string
  readonly lastFour: string
  readonly createdAtMs: number
  readonly expiresAtMs: number
  readonly usedCount: number
  readonly revokedAtMs: number | null
}

/** A token that is over is listed, and says so to whoever uses it, for another week. */
const KEPT_MS = 7 * 86_400_000

/** Tokens that have long been over go at the same time. */
export async function saveJoinToken(
  db: D1Database,
  row: JoinTokenRow & { readonly hash: string },
): Promise<void> {
  const database = drizzle(db)
  await database.batch([
    database.delete(joinTokens).where(lte(joinTokens.expiresAtMs, row.createdAtMs - KEPT_MS)),
    database.insert(joinTokens).values(row),
  ])
}

/** Whether it is still good is for the caller to see. */
export async function findJoinToken(db: D1Database, hash: string): Promise<JoinTokenRow | null> {
  const [row] = await drizzle(db).select().from(joinTokens).where(eq(joinTokens.hash, hash))
  return row === undefined ? null : parseRow(row)
}

/** Newest first. */
export async function listJoinTokens(db: D1Database, tenantId: TenantId): Promise<JoinTokenRow[]> {
  const rows = await drizzle(db)
    .select()
    .from(joinTokens)
    .where(eq(joinTokens.tenantId, tenantId))
    .orderBy(desc(joinTokens.id))
  return rows.map(parseRow)
}

/** Counts one use. False: it was revoked, or its time ended, in the meantime. */
export async function useJoinToken(db: D1Database, id: JoinTokenId, nowMs: number): Promise<boolean> {
  const used = await drizzle(db)
    .update(joinTokens)
    .set({ usedCount: sql`${joinTokens.usedCount} + 1` })
    .where(and(eq(joinTokens.id, id), isNull(joinTokens.revokedAtMs), gt(joinTokens.expiresAtMs, nowMs)))
    .returning({ id: joinTokens.id })
  return used.length > 0
}

/** Revoked again it keeps its first time. False: the tenant has no such token. */
export async function revokeJoinToken(
  db: D1Database,
  tenantId: TenantId,
  id: JoinTokenId,
  nowMs: number,
): Promise<boolean> {
  const revoked = await drizzle(db)
    .update(joinTokens)
    .set({ revokedAtMs: sql`coalesce(${joinTokens.revokedAtMs}, ${nowMs})` })
    .where(and(eq(joinTokens.id, id), eq(joinTokens.tenantId, tenantId)))
    .returning({ id: joinTokens.id })
  return revoked.length > 0
}

function parseRow(row: typeof joinTokens.$inferSelect): JoinTokenRow {
  const { id, tenantId, pool, prefix, lastFour, createdAtMs, expiresAtMs, usedCount, revokedAtMs } = row
  return {
    id: JoinTokenId.parse(id),
    tenantId: TenantId.parse(tenantId),
    pool: Pool.parse(pool),
    prefix,
    lastFour,
    createdAtMs,
    expiresAtMs,
    usedCount,
    revokedAtMs,
  }
}
