import type { Miniflare } from 'miniflare'
import type { HostBuild } from './host-build.ts'

type Database = Awaited<ReturnType<Miniflare['getD1Database']>>

/** Word for word what `wrangler d1 migrations` creates, so that both agree on what was applied. */
const CREATE_TABLE = `CREATE TABLE IF NOT EXISTS d1_migrations(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`

/** Applies what is missing, in order, each file in one transaction with its entry. Returns the names applied. */
export async function applyMigrations(
  database: Database,
  migrations: HostBuild['migrations'],
): Promise<string[]> {
  await database.prepare(CREATE_TABLE).run()
  const { results } = await database.prepare('SELECT name FROM d1_migrations').all<{ name: string }>()
  const applied = new Set(results.map((row) => row.name))
  const missing = migrations.filter((migration) => !applied.has(migration.name))
  for (const { name, statements } of missing) {
    await database.batch([
      ...statements.map((statement) => database.prepare(statement)),
      database.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(name),
    ])
  }
  return missing.map((migration) => migration.name)
}
