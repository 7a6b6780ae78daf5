import type { Effect, SessionEvent, SessionState } from './session/state.ts'
import { nextWakeMs, step } from './session.ts'

/** Runs the session: one event at a time, its effects in order, one timer at `nextWakeMs`. */
export class SessionLoop {
  #state: SessionState
  readonly #perform: (effect: Effect) => void
  readonly #queue: SessionEvent[] = []
  #stepping = false
  #stopped = false
  #timer: NodeJS.Timeout | undefined

  constructor(state: SessionState, perform: (effect: Effect) => void) {
    this.#state = state
    this.#perform = perform
  }

  get state(): SessionState {
    return this.#state
  }

  /** An effect may cause the next event before it returns: that one waits for its turn. */
  dispatch(event: SessionEvent): void {
    this.#queue.push(event)
    if (this.#stepping) return
    this.#stepping = true
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        if (this.#stopped) return
        const { state, effects } = step(this.#state, next, nowMs())
        this.#state = state
        for (const effect of effects) this.#perform(effect)
      }
    } finally {
      this.#stepping = false
    }
    this.#arm()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const wakeMs = nextWakeMs(this.#state)
    if (wakeMs === null || this.#stopped) return
    this.#timer = setTimeout(() => this.dispatch({ type: 'wake' }), Math.max(0, Math.ceil(wakeMs - nowMs())))
  }
}

/** Monotonic: a corrected wall clock moves no lease and no limit. */
export function nowMs(): number {
  return performance.now()
}
