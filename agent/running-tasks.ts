import { EngineError } from '#engines/engine.ts'
import type { Grant } from '#protocol/agent-messages.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import type { Log } from './log.ts'
import {
  type AbortReason,
  grantKey,
  grantOf,
  type SessionEvent,
  type TaskGranted,
  type TaskOffer,
} from './session/state.ts'
import { runTask, type TaskTools } from './tasks.ts'

/** The tasks that run in this process, by grant: each can be aborted, and each ends with one `task.ended`. */
export class RunningTasks {
  readonly #tools: TaskTools
  readonly #log: Log
  readonly #dispatch: (event: SessionEvent) => void
  readonly #running = new Map<string, { readonly abort: AbortController; readonly done: Promise<void> }>()

  constructor(tools: TaskTools, log: Log, dispatch: (event: SessionEvent) => void) {
    this.#tools = tools
    this.#log = log
    this.#dispatch = dispatch
  }

  /** `newestToken` is the one of the latest lease; null when the session no longer runs the task. */
  start(offer: TaskOffer, granted: TaskGranted, newestToken: () => string | null): void {
    const grant = grantOf(granted)
    const { task_id, fence } = grant
    const abort = new AbortController()
    const order = {
      offer,
      granted,
      token: () => newestToken() ?? granted.token,
      signal: abort.signal,
      onReport: (report: Extract<SessionEvent, { type: 'task.reported' }>['report']) =>
        this.#dispatch({ type: 'task.reported', grant, report }),
    }
    this.#log('task.started', { task_id, fence, engine_id: offer.engine_id })
    const done = runTask(order, this.#tools).then((outcome) => {
      this.#running.delete(grantKey(grant))
      this.#log('task.ended', { task_id, fence, ...outcomeFields(outcome) })
      this.#dispatch({ type: 'task.ended', grant, outcome })
    })
    this.#running.set(grantKey(grant), { abort, done })
  }

  abort(grant: Grant, reason: AbortReason): void {
    this.#running.get(grantKey(grant))?.abort.abort(aborted(reason))
  }

  abortAll(reason: AbortReason): void {
    for (const { abort } of this.#running.values()) abort.abort(aborted(reason))
  }

  /** Resolves when all that runs now has ended. */
  async ended(): Promise<void> {
    await Promise.all([...this.#running.values()].map((task) => task.done))
  }
}

function aborted(reason: AbortReason): EngineError {
  return new EngineError({ code: reason, message: `The task was stopped: ${reason}.`, retryable: true })
}

function outcomeFields(outcome: TaskOutcome) {
  if (outcome.status === 'completed') return { status: outcome.status, ...outcome.metrics }
  if (outcome.status === 'failed') return { status: outcome.status, code: outcome.error.code }
  return { status: outcome.status }
}
