import type { Change } from '#core/machine.ts'

/** An object's saved records: one table, created at the first write, so that a call to a deleted object writes nothing. */
export class Records {
  readonly #sql: SqlStorage
  #exists: boolean

  constructor(sql: SqlStorage) {
    this.#sql = sql
    this.#exists =
      sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'records'").toArray().length > 0
  }

  /** All records, by kind and id; with a kind, those of that kind. */
  read(kind?: string): Change[] {
    if (!this.#exists) return []
    const rows =
      kind === undefined
        ? this.#sql.exec('SELECT kind, id, value FROM records ORDER BY kind, id')
        : this.#sql.exec('SELECT kind, id, value FROM records WHERE kind = ? ORDER BY id', kind)
    return rows.toArray().map((row) => ({
      kind: String(row.kind),
      id: String(row.id),
      value: JSON.parse(String(row.value)),
    }))
  }

  write(changes: readonly Change[]): void {
    if (changes.length === 0) return
    this.#create()
    for (const { kind, id, value } of changes) {
      if (value === null) this.#sql.exec('DELETE FROM records WHERE kind = ? AND id = ?', kind, id)
      else {
        const json = JSON.stringify(value)
        this.#sql.exec('INSERT OR REPLACE INTO records (kind, id, value) VALUES (?, ?, ?)', kind, id, json)
      }
    }
  }

  /** The storage was emptied. */
  forget(): void {
    this.#exists = false
  }

  #create(): void {
    if (this.#exists) return
    this.#sql.exec(
      'CREATE TABLE IF NOT EXISTS records (kind TEXT NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID',
    )
    this.#exists = true
  }
}
