import { Fifo } from './fifo.ts'

/** A map that knows the member that was set longest ago, in constant time also after many came and went. */
export class AgedMap<Key, Value> {
  readonly #values = new Map<Key, Value>()
  readonly #order = new Fifo<Key>()

  get size(): number {
    return this.#values.size
  }

  has(key: Key): boolean {
    return this.#values.has(key)
  }

  get(key: Key): Value | undefined {
    return this.#values.get(key)
  }

  /** What is set again is the newest. */
  set(key: Key, value: Value): void {
    this.#values.set(key, value)
    this.#order.push(key)
  }

  delete(key: Key): void {
    this.#values.delete(key)
    this.#order.remove(key)
  }

  *[Symbol.iterator](): Iterator<readonly [Key, Value]> {
    yield* this.#values
  }

  oldestKey(): Key | null {
    return this.#order.first()
  }
}
