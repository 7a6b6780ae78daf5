/**
 * A line in which anybody may leave from the middle, and go back to the front: constant time each, whatever the length.
 * (The order of a JavaScript Set is no substitute: its iterator walks over everything that was deleted before the first
 * member.)
 */
export class Fifo<Member> {
  readonly #places = new Map<Member, Place<Member>>()
  #first: Place<Member> | null = null
  #last: Place<Member> | null = null

  get size(): number {
    return this.#places.size
  }

  has(member: Member): boolean {
    return this.#places.has(member)
  }

  first(): Member | null {
    return this.#first?.member ?? null
  }

  /** To the end; who stands in the line already moves there. */
  push(member: Member): void {
    this.remove(member)
    const place: Place<Member> = { member, before: this.#last, after: null }
    if (this.#last === null) this.#first = place
    else this.#last.after = place
    this.#last = place
    this.#places.set(member, place)
  }

  /** To the front, for whoever was let through too early. */
  unshift(member: Member): void {
    this.remove(member)
    const place: Place<Member> = { member, before: null, after: this.#first }
    if (this.#first === null) this.#last = place
    else this.#first.before = place
    this.#first = place
    this.#places.set(member, place)
  }

  remove(member: Member): boolean {
    const place = this.#places.get(member)
    if (place === undefined) return false
    this.#places.delete(member)
    const { before, after } = place
    if (before === null) this.#first = after
    else before.after = after
    if (after === null) this.#last = before
    else after.before = before
    return true
  }

  *[Symbol.iterator](): Iterator<Member> {
    for (let place = this.#first; place !== null; place = place.after) yield place.member
  }
}

interface Place<Member> {
  readonly member: Member
  before: Place<Member> | null
  after: Place<Member> | null
}
