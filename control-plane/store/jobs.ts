import { and, count, desc, eq, isNull, lt, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { type JobId, type Pool, Pool as PoolSchema, type TenantId } from '#protocol/ids.ts'
import { isTerminal, JobStatus, JobSummary } from '#protocol/job.ts'
import { jobs } from './schema.ts'

/** The index of jobs: who may see a job, and lists. The Job object is the truth and this row's only writer. */
export interface JobIndexRow {
  readonly tenantId: TenantId
  readonly pool: Pool
  /** The log's seq: an older row never replaces a newer one. */
  readonly seq: number
  readonly summary: JobSummary
}

export async function saveIndexRow(db: D1Database, row: JobIndexRow): Promise<void> {
  const { tenantId, pool, seq, summary } = row
  const values = { seq, status: summary.status, summary: JSON.stringify(summary) }
  const isOpen = isTerminal(summary.status) ? 0 : 1
  // A column that is not set touches no index: only the end takes the row out of jobs_open.
  const set = isOpen === 1 ? values : { ...values, isOpen }
  const isNewer = sql`${jobs.seq} < ${seq} AND ${jobs.deletedAtMs} IS NULL`
  await drizzle(db)
    .insert(jobs)
    .values({
      id: summary.id,
      tenantId,
      pool,
      createdAtMs: Date.parse(summary.created_at),
      isOpen,
      ...values,
    })
    .onConflictDoUpdate({ target: jobs.id, set, setWhere: isNewer })
}

/** The status of a job of this tenant; null when there is none, when it is another's, or when it was deleted. */
export async function findJob(db: D1Database, tenantId: TenantId, id: JobId): Promise<JobStatus | null> {
  const [row] = await drizzle(db)
    .select({ status: jobs.status })
    .from(jobs)
    .where(and(eq(jobs.id, id), eq(jobs.tenantId, tenantId), isNull(jobs.deletedAtMs)))
  return row === undefined ? null : JobStatus.parse(row.status)
}

export async function poolOfJob(db: D1Database, id: JobId): Promise<Pool | null> {
  const [row] = await drizzle(db)
    .select({ pool: jobs.pool })
    .from(jobs)
    .where(and(eq(jobs.id, id), isNull(jobs.deletedAtMs)))
  return row === undefined ? null : PoolSchema.parse(row.pool)
}

export interface ListFilter {
  readonly limit: number
  readonly before: JobId | null
  readonly status: JobStatus | null
}

/** Newest first: ids sort by time. */
export async function listJobs(
  db: D1Database,
  tenantId: TenantId,
  filter: ListFilter,
): Promise<JobSummary[]> {
  const rows = await drizzle(db)
    .select({ summary: jobs.summary })
    .from(jobs)
    .where(
      and(
        eq(jobs.tenantId, tenantId),
        isNull(jobs.deletedAtMs),
        filter.status === null ? undefined : hasStatus(filter.status),
        filter.before === null ? undefined : lt(jobs.id, filter.before),
      ),
    )
    .orderBy(desc(jobs.id))
    .limit(filter.limit)
  return rows.map((row) => JobSummary.parse(JSON.parse(row.summary)))
}

/** Said so that the partial index of such a status is known to have them all. Completed ones are most of a tenant's. */
function hasStatus(status: JobStatus) {
  const is = eq(jobs.status, status)
  if (status === 'completed') return is
  return and(
    is,
    isTerminal(status) ? sql`${jobs.status} IN ('failed', 'cancelled')` : sql`${jobs.isOpen} = 1`,
  )
}

/** A tombstone: the row stays, without name, model or result. */
export async function buryJob(db: D1Database, tenantId: TenantId, id: JobId, nowMs: number): Promise<void> {
  await drizzle(db)
    .update(jobs)
    .set({ deletedAtMs: nowMs, summary: '{}' })
    .where(and(eq(jobs.id, id), eq(jobs.tenantId, tenantId)))
}

export async function countByStatus(
  db: D1Database,
  tenantId: TenantId,
): Promise<readonly { status: string; count: number }[]> {
  return drizzle(db)
    .select({ status: jobs.status, count: count() })
    .from(jobs)
    .where(and(eq(jobs.tenantId, tenantId), isNull(jobs.deletedAtMs)))
    .groupBy(jobs.status)
}
