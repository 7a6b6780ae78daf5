import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { getTableConfig, type SQLiteTable } from 'drizzle-orm/sqlite-core'
import { describe, expect, test } from 'vitest'
import { JoinTokenId } from '#protocol/ids.ts'
import * as schema from '#store/schema.ts'

const FOLDER = resolve(import.meta.dirname, '../../migrations')
const migrations = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.sql'))
  .sort()
  .map((name) => readFileSync(join(FOLDER, name), 'utf8'))

const database = new DatabaseSync(':memory:')
for (const sql of migrations) database.exec(sql)

test('[P97] join tokens and agents from before they could be listed and rotated stay good', () => {
  const old = new DatabaseSync(':memory:')
  old.exec(migrations[0] ?? '')
  old.exec(
    "INSERT INTO join_tokens VALUES ('hash 1', 'default', 'gpu', 1, 2), ('hash 2', 'default', 'gpu', 1, 2)",
  )
  old.exec("INSERT INTO agents VALUES ('agent', 'default', 'gpu', 'box', 'hash', 1, NULL)")
  for (const sql of migrations.slice(1)) old.exec(sql)
  const tokens = old.prepare('SELECT * FROM join_tokens ORDER BY hash').all()
  expect(tokens).toMatchObject([
    { hash: 'hash 1', tenant_id: 'default', pool: 'gpu', created_at_ms: 1, expires_at_ms: 2, used_count: 0 },
    { hash: 'hash 2', revoked_at_ms: null },
  ])
  for (const { id } of tokens) expect(JoinTokenId.safeParse(id).success).toBe(true)
  expect(old.prepare('SELECT * FROM agents').all()).toMatchObject([
    { credential_hash: 'hash', next_hash: null },
  ])
})

test('[P97] jobs from before their table was its own key stay, and which are open is known', () => {
  const old = new DatabaseSync(':memory:')
  for (const sql of migrations.slice(0, 2)) old.exec(sql)
  const insert = old.prepare("INSERT INTO jobs VALUES (?, 'default', 'gpu', 3, ?, '{}', 1, ?)")
  for (const status of ['pending', 'running', 'completed', 'failed']) insert.run(status, status, null)
  insert.run('deleted', 'completed', 2)
  for (const sql of migrations.slice(2)) old.exec(sql)
  const row = { tenant_id: 'default', pool: 'gpu', seq: 3, summary: '{}', created_at_ms: 1 }
  expect(old.prepare('SELECT * FROM jobs ORDER BY id').all()).toEqual([
    { ...row, id: 'completed', status: 'completed', is_open: 0, deleted_at_ms: null },
    { ...row, id: 'deleted', status: 'completed', is_open: 0, deleted_at_ms: 2 },
    { ...row, id: 'failed', status: 'failed', is_open: 0, deleted_at_ms: null },
    { ...row, id: 'pending', status: 'pending', is_open: 1, deleted_at_ms: null },
    { ...row, id: 'running', status: 'running', is_open: 1, deleted_at_ms: null },
  ])
})

interface Column {
  readonly name: string
  readonly type: string
  readonly notNull: boolean
  readonly key: boolean
}

function migrated(table: string): Column[] {
  return database
    .prepare(`PRAGMA table_info(${table})`)
    .all()
    .map(({ name, type, notnull, pk }) => ({
      name: String(name),
      type: String(type).toLowerCase(),
      notNull: notnull === 1,
      key: Number(pk) > 0,
    }))
}

function declared(table: SQLiteTable): Column[] {
  const { columns, primaryKeys } = getTableConfig(table)
  const keys = new Set(primaryKeys.flatMap((key) => key.columns.map((column) => column.name)))
  return columns.map((column) => ({
    name: column.name,
    type: column.getSQLType(),
    notNull: column.notNull,
    key: column.primary || keys.has(column.name),
  }))
}

const tables = Object.values(schema).map((table) => [getTableConfig(table).name, table] as const)

describe('the tables', () => {
  test.each(tables)('[P97] %s is to drizzle what the migrations made of it', (name, table) => {
    expect(declared(table)).toEqual(migrated(name))
  })

  test('[P97] no table is known to one side only', () => {
    const made = database
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
      .all()
      .map((row) => String(row.name))
    expect(made.sort()).toEqual(tables.map(([name]) => name).sort())
  })

  test.each(tables)('[P98] %s says who writes, reads and deletes it', (name) => {
    const header = new RegExp(`((?:^--[^>].*\\n)+)CREATE TABLE ${name} \\(`, 'm').exec(
      migrations.join('\n'),
    )?.[1]
    for (const word of ['Written by', 'Read by|Read and', 'Deleted'])
      expect(header ?? '').toMatch(new RegExp(word))
  })

  test.each(['keys', 'jobs', 'join_tokens', 'agents', 'uploads'])(
    '[P98] %s carries tenant and pool',
    (name) => {
      expect(migrated(name).map((column) => column.name)).toEqual(
        expect.arrayContaining(['tenant_id', 'pool']),
      )
    },
  )
})
