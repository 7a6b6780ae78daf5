import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { JobId, newId, Pool, TenantId } from '#protocol/ids.ts'
import type { JobStatus, JobSummary } from '#protocol/job.ts'
import { findJob, listJobs, saveIndexRow } from '#store/jobs.ts'

const FOLDER = resolve(import.meta.dirname, '../../migrations')
const migrations = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.sql'))
  .sort()
  .map((name) => readFileSync(join(FOLDER, name), 'utf8'))
const TENANT = TenantId.parse('default')
const POOL = Pool.parse('default')
const STATUSES = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const

/** A database of ours with what was asked of it, in the little of D1 that the store uses. */
function aDatabase() {
  const sqlite = new DatabaseSync(':memory:')
  for (const sql of migrations) sqlite.exec(sql)
  const asked: { readonly query: string; readonly values: readonly (string | number)[] }[] = []
  const prepare = (query: string) => ({
    bind: (...values: (string | number)[]) => {
      asked.push({ query, values })
      const raw = async () => {
        const statement = sqlite.prepare(query)
        statement.setReturnArrays(true)
        return statement.all(...values)
      }
      return { raw, run: async () => void sqlite.prepare(query).run(...values) }
    },
  })
  // The store asks D1 for nothing but these.
  const d1 = { prepare } as unknown as D1Database
  return { sqlite, d1, asked }
}

function aRow(number: number, status: JobStatus, seq = 1) {
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
  return { tenantId: TENANT, pool: POOL, seq, summary }
}

describe('the index of jobs', () => {
  test.each(STATUSES)(
    '[P35] the list of %s jobs has them all, newest first, whatever they were before',
    async (status) => {
      const { d1 } = aDatabase()
      for (let number = 0; number < 10; number++) {
        await saveIndexRow(d1, aRow(number, 'pending'))
        await saveIndexRow(d1, aRow(number, 'running', 2))
        await saveIndexRow(d1, aRow(number, STATUSES[number % 5] ?? 'pending', 3))
      }
      const listed = await listJobs(d1, TENANT, { limit: 10, before: null, status })
      const [older, newer] = [STATUSES.indexOf(status), STATUSES.indexOf(status) + 5]
      expect(listed.map(({ id }) => id)).toEqual(
        [newer, older].map((number) => aRow(number, status).summary.id),
      )
    },
  )

  test.each([
    [null, 'jobs_by_tenant'],
    ['pending', 'jobs_open'],
    ['running', 'jobs_open'],
    ['completed', 'jobs_by_tenant'],
    ['failed', 'jobs_in_vain'],
    ['cancelled', 'jobs_in_vain'],
  ] as const)(
    '[P35] jobs of status %s are found by %s, which has them in their order',
    async (status, index) => {
      const { sqlite, d1, asked } = aDatabase()
      await listJobs(d1, TENANT, { limit: 10, before: null, status })
      const { query = '', values = [] } = asked.at(-1) ?? {}
      const plan = sqlite.prepare(`EXPLAIN QUERY PLAN ${query}`).all(...values)
      expect(plan.map(({ detail }) => String(detail))).toEqual([expect.stringContaining(index)])
    },
  )

  test('[P97] jobs from before the table was its own key stay, tombstones too, and end as jobs do', async () => {
    const { sqlite, d1 } = aDatabase()
    sqlite.exec('DROP TABLE jobs')
    const table = /CREATE TABLE jobs \([\s\S]*?\);/.exec(migrations[0] ?? '')?.[0] ?? ''
    sqlite.exec(table)
    const rows = STATUSES.map((status, number) => aRow(number, status))
    const insert = sqlite.prepare('INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
    for (const { summary, seq } of rows) {
      const { id, status } = summary
      insert.run(id, TENANT, POOL, seq, status, JSON.stringify(summary), 1, status === 'failed' ? 2 : null)
    }
    sqlite.exec(migrations[2] ?? '')
    const open = await listJobs(d1, TENANT, { limit: 10, before: null, status: 'running' })
    expect(open.map(({ status }) => status)).toEqual(['running'])
    expect(await listJobs(d1, TENANT, { limit: 10, before: null, status: null })).toHaveLength(4)
    expect(
      sqlite.prepare('SELECT status, deleted_at_ms FROM jobs WHERE is_open = 0 ORDER BY id').all(),
    ).toEqual([
      { status: 'completed', deleted_at_ms: null },
      { status: 'failed', deleted_at_ms: 2 },
      { status: 'cancelled', deleted_at_ms: null },
    ])
    const [, running] = rows
    if (running === undefined) throw new Error('there is no second row')
    await saveIndexRow(d1, aRow(1, 'completed', 9))
    expect(await findJob(d1, TENANT, running.summary.id)).toBe('completed')
    expect(await listJobs(d1, TENANT, { limit: 10, before: null, status: 'running' })).toEqual([])
  })
})
