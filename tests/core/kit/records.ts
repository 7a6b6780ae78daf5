import type { Change } from '#core/machine.ts'

/** What an object has on disk: the rows of its changes, as JSON, read back in the order of kind and id. */
export class SavedRecords {
  readonly #rows = new Map<string, { readonly kind: string; readonly id: string; readonly json: string }>()
  /** Rows written so far: each is billed. */
  written = 0

  write(changes: readonly Change[]): void {
    this.written += changes.length
    for (const { kind, id, value } of changes) {
      if (value === null) this.#rows.delete(`${kind}/${id}`)
      else this.#rows.set(`${kind}/${id}`, { kind, id, json: JSON.stringify(value) })
    }
  }

  read(): Change[] {
    return [...this.#rows.entries()]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { kind, id, json }]) => ({ kind, id, value: JSON.parse(json) }))
  }
}
