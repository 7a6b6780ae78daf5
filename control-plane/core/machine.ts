/**
 * The shape of everything stateful. This file decides nothing: it names what a machine must bring so that the one shared
 * loop (objects/loop.ts) and a simulation can run it. Machines read no clock, draw no randomness and do no I/O.
 */
export interface Machine<State, Event, Effect, Reply> {
  /** `state` belongs to the caller before the call and to the answer after it: a machine may change it in place. */
  step(state: State, event: Event, nowMs: number): Step<State, Effect, Reply>
  /** When the machine wants a `wake` at the latest; never null while an effect is unanswered. */
  nextWakeMs(state: State): number | null
}

export interface Step<State, Effect, Reply> {
  readonly state: State
  /** What must be durable before any effect is performed. */
  readonly changes: readonly Change[]
  readonly effects: readonly Effect[]
  readonly reply: Reply
}

/** One record to write; `value: null` deletes it. */
export interface Change {
  readonly kind: string
  readonly id: string
  readonly value: unknown
}
