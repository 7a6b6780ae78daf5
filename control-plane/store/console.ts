import { and, eq, gt, lte } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { consoleSessions, signInLinks } from './schema.ts'

/** One-time sign-in links and console sessions. Only hashes are stored. */
interface Secret {
  readonly hash: string
  readonly keyId: string
  readonly expiresAtMs: number
}

/** Links that nobody followed in time go when a new one comes; sessions likewise. */
export async function saveSignInLink(db: D1Database, link: Secret, nowMs: number): Promise<void> {
  const database = drizzle(db)
  await database.batch([
    database.delete(signInLinks).where(lte(signInLinks.expiresAtMs, nowMs)),
    database.insert(signInLinks).values(link),
  ])
}

/** The key id of a link that is not over; the link is spent by this. */
export async function takeSignInLink(db: D1Database, hash: string, nowMs: number): Promise<string | null> {
  const [row] = await drizzle(db).delete(signInLinks).where(eq(signInLinks.hash, hash)).returning()
  return row !== undefined && row.expiresAtMs > nowMs ? row.keyId : null
}

export async function saveConsoleSession(db: D1Database, session: Secret, nowMs: number): Promise<void> {
  const database = drizzle(db)
  await database.batch([
    database.delete(consoleSessions).where(lte(consoleSessions.expiresAtMs, nowMs)),
    database.insert(consoleSessions).values(session),
  ])
}

export async function findConsoleSession(
  db: D1Database,
  hash: string,
  nowMs: number,
): Promise<string | null> {
  const [row] = await drizzle(db)
    .select({ keyId: consoleSessions.keyId })
    .from(consoleSessions)
    .where(and(eq(consoleSessions.hash, hash), gt(consoleSessions.expiresAtMs, nowMs)))
  return row?.keyId ?? null
}

export async function deleteConsoleSession(db: D1Database, hash: string): Promise<void> {
  await drizzle(db).delete(consoleSessions).where(eq(consoleSessions.hash, hash))
}
