import { and, asc, eq, lt, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { TenantId, UploadId } from '#protocol/ids.ts'
import { uploadParts, uploads } from './schema.ts'

export type UploadRow = typeof uploads.$inferSelect
export type UploadPartRow = typeof uploadParts.$inferSelect

export async function saveUpload(db: D1Database, row: UploadRow): Promise<void> {
  await drizzle(db).insert(uploads).values(row)
}

export async function findUpload(
  db: D1Database,
  tenantId: TenantId,
  id: UploadId,
): Promise<UploadRow | null> {
  const [row] = await drizzle(db)
    .select()
    .from(uploads)
    .where(and(eq(uploads.id, id), eq(uploads.tenantId, tenantId)))
  return row ?? null
}

/** A part that comes again replaces the one before. */
export async function saveUploadPart(db: D1Database, part: UploadPartRow): Promise<void> {
  const { etag, sizeBytes } = part
  await drizzle(db)
    .insert(uploadParts)
    .values(part)
    .onConflictDoUpdate({ target: [uploadParts.uploadId, uploadParts.number], set: { etag, sizeBytes } })
}

export async function listUploadParts(db: D1Database, id: UploadId): Promise<UploadPartRow[]> {
  return drizzle(db)
    .select()
    .from(uploadParts)
    .where(eq(uploadParts.uploadId, id))
    .orderBy(asc(uploadParts.number))
}

export async function completeUpload(db: D1Database, id: UploadId, nowMs: number): Promise<void> {
  await drizzle(db).update(uploads).set({ completedAtMs: nowMs }).where(eq(uploads.id, id))
}

export async function deleteUpload(db: D1Database, id: UploadId): Promise<void> {
  const database = drizzle(db)
  await database.batch([
    database.delete(uploadParts).where(eq(uploadParts.uploadId, id)),
    database.delete(uploads).where(eq(uploads.id, id)),
  ])
}

/** Uploads that nobody touched since: neither begun nor completed after `beforeMs`. */
export async function listStaleUploads(
  db: D1Database,
  beforeMs: number,
  limit: number,
): Promise<UploadRow[]> {
  const touchedAtMs = sql`coalesce(${uploads.completedAtMs}, ${uploads.createdAtMs})`
  return drizzle(db).select().from(uploads).where(lt(touchedAtMs, beforeMs)).limit(limit)
}
