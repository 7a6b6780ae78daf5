import type { EngineError } from '#engines/engine.ts'
import { modelError } from './model-error.ts'
import { untilAborted } from './until-aborted.ts'

export interface QueueProgress<P> {
  readonly waits: boolean
  /** Null while it waits, and until the first word of it. */
  readonly progress: P | null
}

interface Flight<P> {
  readonly done: Promise<void>
  readonly abort: AbortController
  readonly listeners: Set<(progress: QueueProgress<P>) => void>
  /** Who asked have all gone: it ends, and who comes now begins anew. */
  isLeft: boolean
  last: QueueProgress<P>
}

/** What one line to the internet carries well; the files of each go in parallel already. */
export const PULLS_AT_ONCE = 2
/** An operator who orders more has mistaken a number; each waits in memory only. */
export const PULLS_WAITING = 32

/**
 * Pulls by model id: two for one model are one, a few run at once, a bounded number waits. All who asked hear of its progress
 * and of its end; when none of them wants it any more it is ended.
 */
export class Pulls<P> {
  readonly #atOnce: number
  readonly #mayWait: number
  readonly #flights = new Map<string, Flight<P>>()
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(limits: { readonly atOnce: number; readonly mayWait: number }) {
    this.#atOnce = limits.atOnce
    this.#mayWait = limits.mayWait
  }

  /** Joins the pull of this model, or begins one. Rejects with `model_queue_full` when too many wait. */
  async join(
    modelId: string,
    work: (signal: AbortSignal, tell: (progress: P) => void) => Promise<void>,
    listener: (progress: QueueProgress<P>) => void,
    signal: AbortSignal | null = null,
  ): Promise<void> {
    while (this.#flights.get(modelId)?.isLeft) await this.#flights.get(modelId)?.done.catch(() => {})
    signal?.throwIfAborted()
    const flight = this.#flights.get(modelId) ?? this.#begin(modelId, work)
    // One a caller, also where two give the same function.
    const hear = (progress: QueueProgress<P>) => listener(progress)
    flight.listeners.add(hear)
    hear(flight.last)
    try {
      await (signal === null ? flight.done : untilAborted(flight.done, signal))
    } catch (error) {
      flight.listeners.delete(hear)
      if (signal?.aborted && flight.listeners.size === 0) await leave(flight, signal.reason)
      throw error
    } finally {
      flight.listeners.delete(hear)
    }
  }

  /** Ends the pull of a model; resolves when nothing of it runs. */
  async cancel(modelId: string, reason: EngineError): Promise<void> {
    const flight = this.#flights.get(modelId)
    flight?.abort.abort(reason)
    await flight?.done.catch(() => {})
  }

  async cancelAll(reason: EngineError): Promise<void> {
    await Promise.all([...this.#flights.keys()].map((modelId) => this.cancel(modelId, reason)))
  }

  #begin(modelId: string, work: Parameters<Pulls<P>['join']>[1]): Flight<P> {
    const waits = this.#running >= this.#atOnce
    if (waits && this.#waiting.length >= this.#mayWait) {
      const message = `${this.#waiting.length} models wait to be pulled on this agent already; try again when some are done.`
      throw modelError('model_queue_full', message, true)
    }
    const abort = new AbortController()
    const listeners = new Set<(progress: QueueProgress<P>) => void>()
    const tell = (last: QueueProgress<P>) => {
      flight.last = last
      for (const listener of listeners) listener(last)
    }
    const done = this.#turn(abort.signal)
      .then(async () => {
        try {
          tell({ waits: false, progress: null })
          await work(abort.signal, (progress) => tell({ waits: false, progress }))
        } finally {
          this.#next()
        }
      })
      .finally(() => this.#flights.delete(modelId))
    done.catch(() => {}) // heard by those who joined
    const flight: Flight<P> = { done, abort, listeners, isLeft: false, last: { waits, progress: null } }
    this.#flights.set(modelId, flight)
    return flight
  }

  #turn(signal: AbortSignal): Promise<void> {
    if (this.#running < this.#atOnce) {
      this.#running += 1
      return Promise.resolve()
    }
    const turn = Promise.withResolvers<void>()
    this.#waiting.push(turn.resolve)
    signal.addEventListener('abort', () => {
      const place = this.#waiting.indexOf(turn.resolve)
      if (place < 0) return
      this.#waiting.splice(place, 1)
      turn.reject(signal.reason)
    })
    return turn.promise
  }

  /** The place goes on to who waits longest. */
  #next(): void {
    const first = this.#waiting.shift()
    if (first === undefined) this.#running -= 1
    else first()
  }
}

/** Resolves when nothing of it runs any more. */
async function leave<P>(flight: Flight<P>, reason: unknown): Promise<void> {
  flight.isLeft = true
  flight.abort.abort(reason)
  await flight.done.catch(() => {})
}
