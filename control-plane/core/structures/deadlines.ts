/**
 * What is due when, for many keys: a binary heap with one entry a key. A deadline that moves later leaves its entry
 * where it is, and is put right when it reaches the top; leases are extended far more often than they end.
 */
export class Deadlines<Key> {
  readonly #dueMs = new Map<Key, number>()
  /** Each key with a deadline has at least one entry, none later than its deadline. */
  #heap: Entry<Key>[] = []
  readonly #earliestEntryMs = new Map<Key, number>()
  /** The first entry, where it is known: who only asks again needs no look into the maps. */
  #known: Entry<Key> | null | undefined

  /** Null: nothing is due any more. */
  set(key: Key, dueMs: number | null): void {
    this.#known = undefined
    if (dueMs === null) {
      if (this.#dueMs.delete(key)) this.#sweep()
      return
    }
    this.#dueMs.set(key, dueMs)
    const entryMs = this.#earliestEntryMs.get(key)
    if (entryMs === undefined || dueMs < entryMs) this.#push({ key, atMs: dueMs })
  }

  nextMs(): number | null {
    return this.#top()?.atMs ?? null
  }

  /** Who is due first; null for nobody. */
  first(): Key | null {
    return this.#top()?.key ?? null
  }

  /** Takes what is due at `nowMs`, one after another; null when there is no more. */
  take(nowMs: number): Key | null {
    const top = this.#top()
    if (top === null || top.atMs > nowMs) return null
    this.#known = undefined
    this.#pop()
    this.#dueMs.delete(top.key)
    return top.key
  }

  /** The first entry that still tells the truth; what moved is put right on the way. */
  #top(): Entry<Key> | null {
    if (this.#known === undefined) this.#known = this.#find()
    return this.#known
  }

  #find(): Entry<Key> | null {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      const dueMs = this.#dueMs.get(top.key)
      if (dueMs === top.atMs) return top
      this.#pop()
      const isLast = this.#earliestEntryMs.get(top.key) === undefined
      if (dueMs !== undefined && isLast) this.#push({ key: top.key, atMs: dueMs })
    }
    return null
  }

  /** Entries of keys that are long gone wait for the top, which may take as long as the earliest deadline lasts. */
  #sweep(): void {
    if (this.#heap.length < SWEEP_FROM || this.#heap.length < 2 * this.#dueMs.size) return
    const entries = Array.from(this.#dueMs, ([key, atMs]): Entry<Key> => ({ key, atMs }))
    // Sorted is a heap, too.
    entries.sort((a, b) => a.atMs - b.atMs)
    this.#heap = entries
    this.#earliestEntryMs.clear()
    for (const { key, atMs } of entries) this.#earliestEntryMs.set(key, atMs)
  }

  #push(entry: Entry<Key>): void {
    this.#earliestEntryMs.set(entry.key, entry.atMs)
    const heap = this.#heap
    let index = heap.push(entry) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (at(heap, parent).atMs <= entry.atMs) break
      heap[index] = at(heap, parent)
      index = parent
    }
    heap[index] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const top = at(heap, 0)
    if (this.#earliestEntryMs.get(top.key) === top.atMs) this.#earliestEntryMs.delete(top.key)
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      if (left >= heap.length) break
      const right = left + 1
      const child = right < heap.length && at(heap, right).atMs < at(heap, left).atMs ? right : left
      if (at(heap, child).atMs >= last.atMs) break
      heap[index] = at(heap, child)
      index = child
    }
    heap[index] = last
  }
}

/** Fewer entries than these are no burden. */
const SWEEP_FROM = 256

interface Entry<Key> {
  readonly key: Key
  readonly atMs: number
}

function at<Key>(heap: readonly Entry<Key>[], index: number): Entry<Key> {
  const entry = heap[index]
  if (entry === undefined) throw new Error(`the heap has no entry ${index}`)
  return entry
}
