import { EngineError } from '#engines/engine.ts'
import type { StageSummary } from '#protocol/summary.ts'
import type { TaskError } from '#protocol/task.ts'
import { type Ending, type EngineProcess, startEngineProcess } from './child-process.ts'
import type { EngineEntry } from './engine-list.ts'
import { ChildMessage, type HostedModel, type HostMessage, type RunOrder } from './host-messages.ts'
import type { Log } from './log.ts'
import type { Report } from './progress.ts'
import { OUT_OF_MEMORY, saysOutOfMemory } from './residency/tries.ts'

/**
 * The agent's side of one engine child: forks it ahead of or at its first order, gives it one order after the other, and
 * kills it when it must go. It knows no model; who may order what is decided in `residency/`. A crash fails what the child
 * was asked, and the next order gets a fresh child. No order rejects: each is answered.
 */
export interface HostOptions {
  readonly engine: EngineEntry
  readonly abortGraceMs: number
  readonly log: Log
  /** The child is gone, and all that it had loaded. */
  readonly onExit: () => void
}

export type Answer<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly error: TaskError }
export type LoadAnswer = Answer<{ readonly rssBeforeMib: number; readonly rssAfterMib: number }>
export type UnloadAnswer = Answer<{ readonly rssMib: number }>
export type RunAnswer = Answer<{ readonly summary: StageSummary; readonly runMs: number }>

type Order = Extract<HostMessage, { request: number }>
type Reply = Exclude<ChildMessage, { type: 'report' | 'failed' }>
type Failed = { readonly type: 'failed'; readonly error: TaskError }

type Pending = (reply: Reply | Failed) => void

export class EngineHost {
  readonly #options: HostOptions
  readonly #pending = new Map<number, Pending>()
  #process: EngineProcess | null = null
  #onReport: ((report: Report) => void) | null = null
  #requests = 0
  #isStopped = false

  constructor(options: HostOptions) {
    this.#options = options
  }

  /** Whether it has something to do. */
  get busy(): boolean {
    return this.#pending.size > 0
  }

  async load(model: HostedModel, signal: AbortSignal): Promise<LoadAnswer> {
    const reply = await this.#abortable(signal, (request) => ({ type: 'load', request, model }))
    return reply.type === 'loaded' ? { ok: true, ...reply } : failureOf(reply)
  }

  async unload(modelId: string): Promise<UnloadAnswer> {
    const reply = await this.#ask((request) => ({ type: 'unload', request, modelId }))
    return reply.type === 'unloaded' ? { ok: true, ...reply } : failureOf(reply)
  }

  /**
   * Runs one task. When `signal` aborts (its reason is an `EngineError`), the child is asked to stop and killed after the
   * grace; the answer carries the reason, and comes when the task no longer runs.
   */
  async run(
    order: Omit<RunOrder, 'type' | 'request'>,
    signal: AbortSignal,
    onReport: (report: Report) => void,
  ): Promise<RunAnswer> {
    this.#onReport = onReport
    try {
      const reply = await this.#abortable(signal, (request) => ({ type: 'run', request, ...order }))
      return reply.type === 'finished' ? { ok: true, ...reply } : failureOf(reply)
    } finally {
      this.#onReport = null
    }
  }

  /** Starts the child ahead of its first order. */
  start(): void {
    if (!this.#isStopped) this.#process ??= this.#fork()
  }

  /**
   * A fresh child in the place of one that keeps what it should have given back. Only when it is not busy. An order that
   * comes meanwhile gets the fresh one. Resolves when the old one is gone.
   */
  async restart(): Promise<void> {
    const old = this.#process
    this.#process = null
    this.#options.onExit()
    await ended(old)
    this.start()
  }

  /** Kills the child for good; resolves when it is gone. */
  async stop(): Promise<void> {
    this.#isStopped = true
    // What is pending is answered by the exit.
    await ended(this.#process)
  }

  async #abortable(signal: AbortSignal, order: (request: number) => Order): Promise<Reply | Failed> {
    if (signal.aborted) return { type: 'failed', error: abortErrorOf(signal) }
    let grace: NodeJS.Timeout | undefined
    const stop = () => {
      this.#tell({ type: 'abort', message: abortErrorOf(signal).message })
      grace = setTimeout(() => this.#process?.kill(), this.#options.abortGraceMs)
    }
    signal.addEventListener('abort', stop, { once: true })
    try {
      const reply = await this.#ask(order)
      return signal.aborted ? { type: 'failed', error: abortErrorOf(signal) } : reply
    } finally {
      clearTimeout(grace)
      signal.removeEventListener('abort', stop)
    }
  }

  #ask(order: (request: number) => Order): Promise<Reply | Failed> {
    if (this.#isStopped) return Promise.resolve({ type: 'failed', error: STOPPED })
    this.#requests += 1
    const message = order(this.#requests)
    return new Promise((resolve) => {
      this.#pending.set(message.request, resolve)
      this.start()
      this.#tell(message)
    })
  }

  #fork(): EngineProcess {
    const { engine, log } = this.#options
    const engineId = engine.manifest.id
    const started = startEngineProcess(engine)
    started.child.on('message', (raw) => {
      if (started === this.#process) this.#receive(raw)
    })
    started.onExit((lastWords) => {
      const pending = started === this.#process ? [...this.#pending.values()] : []
      if (started === this.#process) {
        this.#process = null
        this.#pending.clear()
        this.#options.onExit()
      }
      void lastWords.then((ending) => {
        const { how, isKilled, stderr } = ending
        log('engine.exited', { engine_id: engineId, how, stderr: isKilled ? null : stderr })
        for (const reply of pending) reply({ type: 'failed', error: errorOf(ending) })
        // What it was asked is mostly asked again at once: the fresh child is on its way by then.
        if (!isKilled && pending.length > 0) this.start()
      })
    })
    log('engine.started', { engine_id: engineId, pid: started.child.pid ?? 0 })
    return started
  }

  #receive(raw: unknown): void {
    const parsed = ChildMessage.safeParse(raw)
    if (!parsed.success) {
      this.#options.log('engine.malformed_message', { engine_id: this.#options.engine.manifest.id })
      this.#process?.kill()
      return
    }
    const message = parsed.data
    if (message.type === 'report') {
      this.#onReport?.({ progress: message.progress, partial: message.partial })
      return
    }
    const pending = this.#pending.get(message.request)
    this.#pending.delete(message.request)
    pending?.(message.type === 'failed' ? { type: 'failed', error: message.error } : message)
  }

  #tell(message: HostMessage): void {
    // A child that is gone has said so by its exit event: the callback only keeps the error from being thrown.
    this.#process?.child.send(message, () => {})
  }
}

async function ended(running: EngineProcess | null): Promise<void> {
  if (running === null) return
  const exited = new Promise<void>((resolve) => running.child.once('exit', () => resolve()))
  running.kill()
  await exited
}

export function abortErrorOf(signal: AbortSignal): TaskError {
  if (signal.reason instanceof EngineError) return signal.reason.taskError
  return { code: 'aborted', message: 'The task was aborted.', retryable: true }
}

const STOPPED: TaskError = { code: 'aborted', message: 'The agent ends.', retryable: true }

function failureOf(reply: Reply | Failed): { readonly ok: false; readonly error: TaskError } {
  if (reply.type === 'failed') return { ok: false, error: reply.error }
  const message = `The engine process answered ${reply.type} to another order.`
  return { ok: false, error: { code: 'engine_crashed', message, retryable: true } }
}

/** A SIGKILL that is not ours is the system's, short of memory. */
function errorOf({ how, isKilled, stderr }: Ending): TaskError {
  const isMemory = !isKilled && (how === 'SIGKILL' || saysOutOfMemory(stderr))
  const message = `The engine process ended while it worked on the task (${how}).`
  return { code: isMemory ? OUT_OF_MEMORY : 'engine_crashed', message, retryable: true }
}
