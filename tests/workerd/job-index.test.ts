import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { JobId, newId, Pool, TenantId } from '#protocol/ids.ts'
import type { JobStatus, JobSummary } from '#protocol/job.ts'
import { listJobs, saveIndexRow } from '#store/jobs.ts'
import { type Server, startServer } from './kit/server.ts'

const POOL = Pool.parse('default')
const STATUSES = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const

let server: Server
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

function aRow(tenant: string, number: number, status: JobStatus, seq: number) {
  const summary: JobSummary = {
    id: JobId.parse(newId('job', 1_000 + number, new Uint8Array(16))),
    status,
    name: null,
    model: 'auto',
    language: 'auto',
    created_at: '2025-01-01T00:00:00.000Z',
    started_at: null,
    completed_at: null,
    audio_duration_seconds: null,
    word_count: null,
    error: null,
  }
  return { tenantId: TenantId.parse(tenant), pool: POOL, seq, summary }
}

describe('the index of jobs', () => {
  test('[P35] a list of one status has all that have it now, newest first, whatever they were before', async () => {
    const { DB } = server.env
    for (let number = 0; number < 10; number++) {
      const status = STATUSES[number % 5] ?? 'pending'
      await saveIndexRow(DB, aRow('lists', number, 'pending', 1))
      await saveIndexRow(DB, aRow('lists', number, 'running', 2))
      await saveIndexRow(DB, aRow('lists', number, status, 3))
    }
    for (const [number, status] of STATUSES.entries()) {
      const listed = await listJobs(DB, TenantId.parse('lists'), { limit: 10, before: null, status })
      const ids = [number + 5, number].map((which) => aRow('lists', which, status, 3).summary.id)
      expect(listed.map(({ id }) => id)).toEqual(ids)
    }
  })

  test.each([
    [null, 'jobs_by_tenant'],
    ['pending', 'jobs_open'],
    ['running', 'jobs_open'],
    ['completed', 'jobs_by_tenant'],
    ['failed', 'jobs_in_vain'],
    ['cancelled', 'jobs_in_vain'],
  ] as const)('[P35] jobs of status %s stand in %s in their order', async (status, index) => {
    const { asked, database } = listening(server.env.DB)
    await listJobs(database, TenantId.parse('lists'), { limit: 10, before: null, status })
    const { query, values } = asked.at(-1) ?? { query: '', values: [] }
    const plan = await server.env.DB.prepare(`EXPLAIN QUERY PLAN ${query}`)
      .bind(...values)
      .all()
    expect(plan.results.map(({ detail }) => detail)).toEqual([expect.stringContaining(index)])
  })

  test('[P35] from submit to completion the row of a job costs five written rows', async () => {
    const { asked, database } = listening(server.env.DB)
    const statuses = ['pending', 'running', 'completed'] as const
    for (const [at, status] of statuses.entries())
      await saveIndexRow(database, aRow('counts', 50, status, at))
    await server.env.DB.exec("DELETE FROM jobs WHERE tenant_id = 'counts'")
    let written = 0
    for (const { query, values } of asked) {
      const { meta } = await server.env.DB.prepare(query)
        .bind(...values)
        .run()
      written += meta.rows_written
    }
    expect(written).toBe(5)
  })
})

/** A database that tells what it was asked. */
function listening(real: D1Database) {
  const asked: { readonly query: string; readonly values: readonly unknown[] }[] = []
  const prepare = (query: string) => ({
    bind: (...values: unknown[]) => {
      asked.push({ query, values })
      return real.prepare(query).bind(...values)
    },
  })
  // The store binds all that it asks, and asks nothing in batches here.
  return { asked, database: { prepare } as unknown as D1Database }
}
