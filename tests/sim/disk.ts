import type { Change } from '#core/machine.ts'

/** One object's saved records. Values stay as they were given until a load: only then do they go through JSON. */
export class Disk {
  readonly #rows = new Map<string, Change>()

  write(changes: readonly Change[]): void {
    for (const change of changes) {
      const key = `${change.kind}/${change.id}`
      if (change.value === null) this.#rows.delete(key)
      else this.#rows.set(key, change)
    }
  }

  /** All rows, in the order of kind and id. */
  read(): Change[] {
    return [...this.#rows.entries()]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { kind, id, value }]) => ({ kind, id, value: JSON.parse(JSON.stringify(value)) }))
  }

  clear(): void {
    this.#rows.clear()
  }

  get size(): number {
    return this.#rows.size
  }
}
