import { and, eq, isNull, or, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { AgentId, Pool, TenantId } from '#protocol/ids.ts'
import { agents } from './schema.ts'

export interface AgentRow {
  readonly id: AgentId
  readonly tenantId: TenantId
  readonly pool: Pool
  readonly name: string
}

/** Whose an agent is. */
export type Owner = Pick<AgentRow, 'tenantId' | 'pool'>

/** An agent and how the credential that was shown stands. */
export interface CredentialedRow extends AgentRow {
  /** `next`: asked for and never used before. */
  readonly shown: 'present' | 'next'
  /** When a next one was asked for; null when there is none. */
  readonly nextAtMs: number | null
}

export async function saveAgent(
  db: D1Database,
  row: AgentRow & { readonly credentialHash: string; readonly createdAtMs: number },
): Promise<void> {
  await drizzle(db).insert(agents).values(row)
}

/** The agent of a credential, present or next; revoked ones have none. */
export async function findAgent(db: D1Database, hash: string): Promise<CredentialedRow | null> {
  const [row] = await drizzle(db)
    .select()
    .from(agents)
    .where(and(or(eq(agents.credentialHash, hash), eq(agents.nextHash, hash)), isNull(agents.revokedAtMs)))
  if (row === undefined) return null
  return { ...parseRow(row), shown: row.nextHash === hash ? 'next' : 'present', nextAtMs: row.nextAtMs }
}

/** Asks for a next credential in place of one that was never used. False: `presentHash` is no longer the present one. */
export async function saveNextCredential(
  db: D1Database,
  agentId: AgentId,
  presentHash: string,
  next: { readonly hash: string; readonly atMs: number },
): Promise<boolean> {
  const changed = await drizzle(db)
    .update(agents)
    .set({ nextHash: next.hash, nextAtMs: next.atMs })
    .where(and(eq(agents.id, agentId), eq(agents.credentialHash, presentHash), isNull(agents.revokedAtMs)))
    .returning({ id: agents.id })
  return changed.length > 0
}

/** The next credential was used: it is the present one, and the one before opens nothing any more. */
export async function promoteCredential(db: D1Database, agentId: AgentId, nextHash: string): Promise<void> {
  await drizzle(db)
    .update(agents)
    .set({ credentialHash: nextHash, nextHash: null, nextAtMs: null })
    .where(and(eq(agents.id, agentId), eq(agents.nextHash, nextHash)))
}

/** The ids of an owner's agents, without revoked ones. */
export async function listAgentIds(db: D1Database, owner: Owner): Promise<AgentId[]> {
  const rows = await drizzle(db)
    .select({ id: agents.id })
    .from(agents)
    .where(and(isOf(owner), isNull(agents.revokedAtMs)))
  return rows.map(({ id }) => AgentId.parse(id))
}

export async function readAgent(db: D1Database, owner: Owner, agentId: AgentId): Promise<AgentRow | null> {
  const [row] = await drizzle(db)
    .select()
    .from(agents)
    .where(and(eq(agents.id, agentId), isOf(owner), isNull(agents.revokedAtMs)))
  return row === undefined ? null : parseRow(row)
}

/** Revoked again it keeps its first time. False: the owner has no such agent. */
export async function revokeAgent(
  db: D1Database,
  owner: Owner,
  agentId: AgentId,
  nowMs: number,
): Promise<boolean> {
  const revoked = await drizzle(db)
    .update(agents)
    .set({ revokedAtMs: sql`coalesce(${agents.revokedAtMs}, ${nowMs})` })
    .where(and(eq(agents.id, agentId), isOf(owner)))
    .returning({ id: agents.id })
  return revoked.length > 0
}

export async function isRevoked(db: D1Database, agentId: AgentId): Promise<boolean> {
  const [row] = await drizzle(db)
    .select({ revokedAtMs: agents.revokedAtMs })
    .from(agents)
    .where(eq(agents.id, agentId))
  return row?.revokedAtMs !== null
}

function isOf({ tenantId, pool }: Owner) {
  return and(eq(agents.tenantId, tenantId), eq(agents.pool, pool))
}

function parseRow(row: { id: string; tenantId: string; pool: string; name: string }): AgentRow {
  return {
    id: AgentId.parse(row.id),
    tenantId: TenantId.parse(row.tenantId),
    pool: Pool.parse(row.pool),
    name: row.name,
  }
}
