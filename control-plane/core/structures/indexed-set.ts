/** A set that gives any member in constant time, also after many came and went. Its order means nothing. */
export class IndexedSet<Member> {
  readonly #members: Member[] = []
  readonly #places = new Map<Member, number>()

  get size(): number {
    return this.#members.length
  }

  add(member: Member): void {
    if (this.#places.has(member)) return
    this.#places.set(member, this.#members.push(member) - 1)
  }

  delete(member: Member): void {
    const place = this.#places.get(member)
    if (place === undefined) return
    this.#places.delete(member)
    const last = this.#members.pop()
    if (last === undefined || last === member) return
    this.#members[place] = last
    this.#places.set(last, place)
  }

  /** The one that came last comes first. */
  *[Symbol.iterator](): Iterator<Member> {
    for (let index = this.#members.length - 1; index >= 0; index--) {
      const member = this.#members[index]
      if (member !== undefined) yield member
    }
  }
}
