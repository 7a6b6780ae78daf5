import type { Change, Machine } from '#core/machine.ts'

/** After a wake that threw, the object tries again this much later: the platform itself gives up after six throws. */
const AFTER_FAILURE_MS = 5_000
/** The alarm behind a timer: only a crash needs it, and one that is so late serves many timers. */
const BACKSTOP_MS = 20_000

/** How an effect ends: one of the two, once, after `perform` has returned. */
export interface Answer<Input> {
  /** It was done; what it was answered comes back as an input. */
  ok(input: Input | null): void
  /** It was not: the outbox has it due again, or its sender repeats it. */
  failed(cause: unknown): void
}

export interface LoopParts<State, Input, Effect, Reply> {
  readonly name: string
  readonly machine: Machine<State, Input, Effect, Reply>
  readonly state: State
  readonly records: { write(changes: readonly Change[]): void }
  readonly storage: { setAlarm(atMs: number): Promise<void> | void }
  /** Rings `timer` once after so long, in place of what was set before; null: never. It goes with the memory. */
  readonly setTimer: (afterMs: number | null) => void
  /** A wake that is due within this gets a timer: mostly it is needed no more a moment later, and an alarm is a billed row. */
  readonly soonMs: number
  readonly nowMs: () => number
  readonly log: (event: string, cause: unknown, fields?: Readonly<Record<string, string>>) => void
  /** The alarm that is set, read at construction. */
  readonly armedMs: number | null
  readonly wakeInput: () => Input
  /** Drops the object from memory; the next call loads it anew. */
  readonly restart: (reason: string) => void
  /** Starts one effect. Effects start in their order; one without an id need not be answered. */
  readonly perform: (effect: Effect, answer: Answer<Input>) => void
  /** The id of an effect that must not run twice at once; null for those that may. */
  readonly effectId: (effect: Effect) => string | null
}

/**
 * The one loop of every object: step, save, arm, perform. A step and its save are one synchronous turn, so what an effect
 * tells others is durable before it leaves (the platform holds messages back until the write is confirmed). Clock, log and
 * promises are its parts' affair: the simulation runs this very loop.
 */
export class Loop<State, Input, Effect, Reply> {
  state: State
  readonly #parts: LoopParts<State, Input, Effect, Reply>
  /** Effects that run now, and who waits for the end of each. */
  readonly #inFlight = new Map<string, (() => void)[]>()
  #armedMs: number | null
  #timerMs: number | null = null

  constructor(parts: LoopParts<State, Input, Effect, Reply>) {
    this.#parts = parts
    this.state = parts.state
    this.#armedMs = parts.armedMs
  }

  handle(input: Input): Reply {
    const step = this.#parts.machine.step(this.state, input, this.#parts.nowMs())
    this.#save(step.changes)
    this.state = step.state
    this.#arm()
    for (const effect of step.effects) this.#perform(effect)
    return step.reply
  }

  /** A machine may have changed its state in place: when the save fails, memory is ahead of what is saved and must go. */
  #save(changes: readonly Change[]): void {
    try {
      this.#parts.records.write(changes)
    } catch (cause) {
      this.#log('save_failed', cause)
      this.#parts.restart('the records could not be saved')
      throw cause
    }
  }

  /** Until every effect with an id that begins so has been tried. */
  async settled(idPrefix: string): Promise<void> {
    const open = [...this.#inFlight].filter(([id]) => id.startsWith(idPrefix))
    await Promise.all(open.map(([, waiting]) => new Promise<void>((resolve) => waiting.push(resolve))))
  }

  alarm(): void {
    this.#armedMs = null
    this.#wake()
  }

  timer(): void {
    this.#timerMs = null
    this.#wake()
  }

  #wake(): void {
    try {
      this.handle(this.#parts.wakeInput())
    } catch (cause) {
      this.#log('wake_failed', cause)
      this.#setAlarm(this.#parts.nowMs() + AFTER_FAILURE_MS)
    }
  }

  /**
   * What is due soon gets a timer, which costs nothing when it is taken back, and an alarm behind it. The alarm is set only
   * when it is earlier than the one that is set, or when that has fired: each setting is a billed row.
   */
  #arm(): void {
    const wakeMs = this.#parts.machine.nextWakeMs(this.state)
    const nowMs = this.#parts.nowMs()
    const isArmed = wakeMs !== null && this.#armedMs !== null && this.#armedMs <= wakeMs
    const isSoon = wakeMs !== null && !isArmed && wakeMs - nowMs <= this.#parts.soonMs
    this.#setTimer(isSoon ? wakeMs : null, nowMs)
    if (wakeMs === null || isArmed) return
    const alarmMs = Math.max(isSoon ? wakeMs + BACKSTOP_MS : wakeMs, nowMs + 1)
    if (this.#armedMs === null || alarmMs < this.#armedMs) this.#setAlarm(alarmMs)
  }

  #setTimer(atMs: number | null, nowMs: number): void {
    if (atMs === this.#timerMs) return
    this.#timerMs = atMs
    this.#parts.setTimer(atMs === null ? null : Math.max(atMs - nowMs, 1))
  }

  #setAlarm(atMs: number): void {
    this.#armedMs = atMs
    void this.#parts.storage.setAlarm(atMs)
  }

  /** At most one run of an id at a time. One that throws at once holds up neither the others nor the reply. */
  #perform(effect: Effect): void {
    const id = this.#parts.effectId(effect)
    if (id !== null && this.#inFlight.has(id)) return
    if (id !== null) this.#inFlight.set(id, [])
    const answer = this.#answerOf(id)
    try {
      this.#parts.perform(effect, answer)
    } catch (cause) {
      answer.failed(cause)
    }
  }

  #answerOf(id: string | null): Answer<Input> {
    return {
      ok: (input) =>
        this.#finish(id, () => {
          if (input !== null) this.handle(input)
        }),
      failed: (cause) =>
        this.#finish(id, () => {
          throw cause
        }),
    }
  }

  #finish(id: string | null, take: () => void): void {
    const waiting = id === null ? [] : (this.#inFlight.get(id) ?? [])
    if (id !== null) this.#inFlight.delete(id)
    try {
      take()
    } catch (cause) {
      this.#log('effect_failed', cause, { effect: id ?? '' })
    }
    for (const resume of waiting) resume()
  }

  #log(event: string, cause: unknown, fields?: Readonly<Record<string, string>>): void {
    this.#parts.log(`${this.#parts.name}.${event}`, cause, fields)
  }
}
