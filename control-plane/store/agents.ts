import { and, eq, gt, isNull, lte } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { AgentId, Pool, TenantId } from '#protocol/ids.ts'
import { agents, joinTokens } from './schema.ts'

export interface AgentRow {
  readonly id: AgentId
  readonly tenantId: TenantId
  readonly pool: Pool
  readonly name: string
}

export interface JoinTokenRow {
  readonly tenantId: TenantId
  readonly pool: Pool
}

/** Tokens that are over go at the same time. */
export async function saveJoinToken(
  db: D1Database,
  row: JoinTokenRow & { readonly hash: string; readonly createdAtMs: number; readonly expiresAtMs: number },
): Promise<void> {
  const database = drizzle(db)
  await database.batch([
    database.delete(joinTokens).where(lte(joinTokens.expiresAtMs, row.createdAtMs)),
    database.insert(joinTokens).values(row),
  ])
}

/** A join token that is not over. */
export async function findJoinToken(
  db: D1Database,
  hash: string,
  nowMs: number,
): Promise<JoinTokenRow | null> {
  const [row] = await drizzle(db)
    .select()
    .from(joinTokens)
    .where(and(eq(joinTokens.hash, hash), gt(joinTokens.expiresAtMs, nowMs)))
  return row === undefined ? null : { tenantId: TenantId.parse(row.tenantId), pool: Pool.parse(row.pool) }
}

export async function saveAgent(
  db: D1Database,
  row: AgentRow & { readonly credentialHash: string; readonly createdAtMs: number },
): Promise<void> {
  await drizzle(db).insert(agents).values(row)
}

export async function findAgent(db: D1Database, credentialHash: string): Promise<AgentRow | null> {
  const [row] = await drizzle(db)
    .select()
    .from(agents)
    .where(and(eq(agents.credentialHash, credentialHash), isNull(agents.revokedAtMs)))
  if (row === undefined) return null
  return {
    id: AgentId.parse(row.id),
    tenantId: TenantId.parse(row.tenantId),
    pool: Pool.parse(row.pool),
    name: row.name,
  }
}
