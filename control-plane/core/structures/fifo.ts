/**
 * A line in which anybody may leave from the middle: constant time each, amortised, whatever the length. (The order of a
 * JavaScript Set is no substitute: its iterator walks over everything that was deleted before the first member.)
 */
export class Fifo<Member> {
  #places: (Member | typeof GONE)[] = []
  #head = 0
  /** The number of the first place: places are numbered through for ever, so that they survive compaction. */
  #firstNumber = 0
  readonly #numbers = new Map<Member, number>()

  get size(): number {
    return this.#numbers.size
  }

  has(member: Member): boolean {
    return this.#numbers.has(member)
  }

  first(): Member | null {
    const member = this.#places[this.#head]
    return member === undefined || member === GONE ? null : member
  }

  push(member: Member): void {
    this.#numbers.set(member, this.#firstNumber + this.#places.length)
    this.#places.push(member)
  }

  /** Back to the front, for whoever was let through too early. */
  unshift(member: Member): void {
    if (this.#head > 0) this.#head--
    else {
      this.#places.unshift(GONE)
      this.#firstNumber--
    }
    this.#places[this.#head] = member
    this.#numbers.set(member, this.#firstNumber + this.#head)
  }

  remove(member: Member): boolean {
    const number = this.#numbers.get(member)
    if (number === undefined) return false
    this.#numbers.delete(member)
    this.#places[number - this.#firstNumber] = GONE
    while (this.#head < this.#places.length && this.#places[this.#head] === GONE) this.#head++
    this.#compact()
    return true
  }

  *[Symbol.iterator](): Iterator<Member> {
    for (let index = this.#head; index < this.#places.length; index++) {
      const member = this.#places[index]
      if (member !== undefined && member !== GONE) yield member
    }
  }

  /** Half of the places are empty and lie before the head: they go, at a cost that their removals have paid. */
  #compact(): void {
    if (this.#head < COMPACT_FROM || this.#head * 2 < this.#places.length) return
    this.#places = this.#places.slice(this.#head)
    this.#firstNumber += this.#head
    this.#head = 0
  }
}

const GONE = Symbol('gone')
/** Below this many empty places compaction costs more than it gives back. */
const COMPACT_FROM = 64
