import { firstTry, type Outstanding, triedAgain } from './outbox.ts'
import { Deadlines } from './structures/deadlines.ts'

/**
 * The outbox of an object that has many effects unanswered at once: changed in place, and no operation looks at all of
 * them. A thousand tasks that are given up together are a thousand calls.
 */
export class Outgoing<Effect> {
  readonly #outstanding = new Map<string, Outstanding<Effect>>()
  readonly #due = new Deadlines<string>()

  get size(): number {
    return this.#outstanding.size
  }

  has(id: string): boolean {
    return this.#outstanding.has(id)
  }

  get(id: string): Outstanding<Effect> | undefined {
    return this.#outstanding.get(id)
  }

  keys(): Iterable<string> {
    return this.#outstanding.keys()
  }

  /** Keeps an effect, which the caller performs now; null when its id is there already. */
  post(id: string, effect: Effect, nowMs: number): Outstanding<Effect> | null {
    return this.has(id) ? null : this.#keep(firstTry(id, effect, nowMs))
  }

  /** As it was saved, after an eviction: nobody knows what was answered since, so it is due at once. */
  restore(saved: Outstanding<Effect>, nowMs: number): void {
    this.#keep({ ...saved, dueMs: nowMs })
  }

  /** False: nothing of that id is there. */
  answered(id: string): boolean {
    this.#due.set(id, null)
    return this.#outstanding.delete(id)
  }

  /** What is due and unanswered; each of those is due later again. */
  takeDue(nowMs: number): Outstanding<Effect>[] {
    const due: Outstanding<Effect>[] = []
    for (let id = this.#due.take(nowMs); id !== null; id = this.#due.take(nowMs)) {
      const outstanding = this.#outstanding.get(id)
      if (outstanding !== undefined) due.push(outstanding)
    }
    for (const outstanding of due) this.#keep(triedAgain(outstanding, nowMs))
    return due
  }

  nextDueMs(): number | null {
    return this.#due.nextMs()
  }

  #keep(outstanding: Outstanding<Effect>): Outstanding<Effect> {
    this.#outstanding.set(outstanding.id, outstanding)
    this.#due.set(outstanding.id, outstanding.dueMs)
    return outstanding
  }
}
