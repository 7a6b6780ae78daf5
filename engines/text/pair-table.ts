/** A map from two non-negative integers to one, in flat arrays (open addressing): no object a key, no garbage a look-up. Pure. */
export class PairTable {
  #mask: number
  #first: Int32Array
  #second: Int32Array
  #values: Int32Array
  #size = 0

  constructor(expected: number) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(8, expected * 2)))
    this.#mask = capacity - 1
    this.#first = new Int32Array(capacity).fill(-1)
    this.#second = new Int32Array(capacity)
    this.#values = new Int32Array(capacity)
  }

  /** The value of (a, b), or −1. */
  get(a: number, b: number): number {
    const slot = this.#slot(a, b)
    return this.#first[slot] === -1 ? -1 : (this.#values[slot] ?? -1)
  }

  set(a: number, b: number, value: number): void {
    if (this.#size * 2 > this.#mask) this.#grow()
    const slot = this.#slot(a, b)
    if (this.#first[slot] === -1) this.#size += 1
    this.#first[slot] = a
    this.#second[slot] = b
    this.#values[slot] = value
  }

  /** Where (a, b) is, or the free place where it would go. */
  #slot(a: number, b: number): number {
    let hash = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b)
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0x2c1b3c6d)
    hash ^= hash >>> 13
    let slot = hash & this.#mask
    while (this.#first[slot] !== -1 && (this.#first[slot] !== a || this.#second[slot] !== b)) {
      slot = (slot + 1) & this.#mask
    }
    return slot
  }

  #grow(): void {
    const larger = new PairTable(this.#mask + 1)
    for (let slot = 0; slot <= this.#mask; slot++) {
      const a = this.#first[slot] ?? -1
      if (a !== -1) larger.set(a, this.#second[slot] ?? 0, this.#values[slot] ?? 0)
    }
    this.#mask = larger.#mask
    this.#first = larger.#first
    this.#second = larger.#second
    this.#values = larger.#values
  }
}
