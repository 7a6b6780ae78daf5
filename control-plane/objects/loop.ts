import type { Change, Machine } from '#core/machine.ts'
import { logError } from '../access/log.ts'

/** After a wake that threw, the object tries again this much later: the platform itself gives up after six throws. */
const AFTER_FAILURE_MS = 5_000

export interface LoopParts<State, Input, Effect, Reply> {
  readonly name: string
  readonly machine: Machine<State, Input, Effect, Reply>
  readonly state: State
  readonly records: { write(changes: readonly Change[]): void }
  readonly storage: { setAlarm(atMs: number): Promise<void> }
  /** The alarm that is set, read at construction. */
  readonly armedMs: number | null
  readonly wakeInput: () => Input
  /** Drops the object from memory; the next call loads it anew. */
  readonly restart: (reason: string) => void
  /** Does one effect; what it resolves to is the answer, and comes back as an input. Effects start in their order. */
  readonly perform: (effect: Effect) => Promise<Input | null> | null
  /** The id of an effect that must not run twice at once; null for those that may. */
  readonly effectId: (effect: Effect) => string | null
}

/**
 * The one loop of every object: step, save, arm, perform. A step and its save are one synchronous turn, so what an effect
 * tells others is durable before it leaves (the platform holds messages back until the write is confirmed).
 */
export class Loop<State, Input, Effect, Reply> {
  state: State
  readonly #parts: LoopParts<State, Input, Effect, Reply>
  readonly #inFlight = new Map<string, Promise<void>>()
  #armedMs: number | null

  constructor(parts: LoopParts<State, Input, Effect, Reply>) {
    this.#parts = parts
    this.state = parts.state
    this.#armedMs = parts.armedMs
  }

  handle(input: Input): Reply {
    const step = this.#parts.machine.step(this.state, input, Date.now())
    this.#save(step.changes)
    this.state = step.state
    this.#arm()
    for (const effect of step.effects) this.#performQuietly(effect)
    return step.reply
  }

  /** A machine may have changed its state in place: when the save fails, memory is ahead of what is saved and must go. */
  #save(changes: readonly Change[]): void {
    try {
      this.#parts.records.write(changes)
    } catch (cause) {
      logError(`${this.#parts.name}.save_failed`, cause)
      this.#parts.restart('the records could not be saved')
      throw cause
    }
  }

  /** Until every effect with an id that begins so has been tried. */
  async settled(idPrefix: string): Promise<void> {
    await Promise.all([...this.#inFlight].filter(([id]) => id.startsWith(idPrefix)).map(([, done]) => done))
  }

  alarm(): void {
    this.#armedMs = null
    try {
      this.handle(this.#parts.wakeInput())
    } catch (cause) {
      logError(`${this.#parts.name}.wake_failed`, cause)
      this.#setAlarm(Date.now() + AFTER_FAILURE_MS)
    }
  }

  /** Armed only when earlier than what is set, or when that has fired: each setting is a billed row. */
  #arm(): void {
    const wakeMs = this.#parts.machine.nextWakeMs(this.state)
    if (wakeMs === null) return
    if (this.#armedMs === null || wakeMs < this.#armedMs) this.#setAlarm(Math.max(wakeMs, Date.now() + 1))
  }

  #setAlarm(atMs: number): void {
    this.#armedMs = atMs
    void this.#parts.storage.setAlarm(atMs)
  }

  /** One effect that throws at once holds up neither the others nor the reply: what must leave is in the outbox. */
  #performQuietly(effect: Effect): void {
    try {
      this.#perform(effect)
    } catch (cause) {
      logError(`${this.#parts.name}.effect_failed`, cause, { effect: this.#parts.effectId(effect) ?? '' })
    }
  }

  #perform(effect: Effect): void {
    const id = this.#parts.effectId(effect)
    if (id !== null && this.#inFlight.has(id)) return
    const answer = this.#parts.perform(effect)
    if (answer === null) return
    const done = this.#finish(id ?? '', answer)
    if (id !== null) this.#inFlight.set(id, done)
  }

  async #finish(id: string, answer: Promise<Input | null>): Promise<void> {
    try {
      const input = await answer
      this.#inFlight.delete(id)
      if (input !== null) this.handle(input)
    } catch (cause) {
      // Not answered: the outbox has it due again, or its sender repeats it.
      this.#inFlight.delete(id)
      logError(`${this.#parts.name}.effect_failed`, cause, { effect: id })
    }
  }
}
