import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { EngineError } from '#engines/engine.ts'
import type { StageSummary } from '#protocol/summary.ts'
import type { TaskError } from '#protocol/task.ts'
import type { EngineEntry } from './engine-list.ts'
import { ChildMessage, type HostMessage, type RunOrder } from './host-messages.ts'
import type { Log } from './log.ts'
import type { Report } from './progress.ts'

/**
 * The agent's side of one engine child: forks it ahead of or at the first task, keeps it with its loaded model, and kills it when it
 * must go. One task at a time. A crash costs one task; the next gets a fresh child.
 */
export interface HostOptions {
  readonly engine: EngineEntry
  readonly abortGraceMs: number
  readonly log: Log
  readonly onModel: (modelId: string | null) => void
}

export type RunAnswer =
  | { readonly ok: true; readonly summary: StageSummary; readonly loadMs: number; readonly runMs: number }
  | { readonly ok: false; readonly error: TaskError }

interface Run {
  readonly answer: (answer: RunAnswer) => void
  readonly onReport: (report: Report) => void
}

const CHILD_PATH = fileURLToPath(new URL('engine-child.ts', import.meta.url))

export class EngineHost {
  readonly #options: HostOptions
  #child: ChildProcess | null = null
  #run: Run | null = null

  constructor(options: HostOptions) {
    this.#options = options
  }

  get busy(): boolean {
    return this.#run !== null
  }

  /**
   * Runs one task. Never rejects. When `signal` aborts (its reason is an `EngineError`), the child is asked to stop and
   * killed after the grace; the answer carries the reason, and comes when the task no longer runs.
   */
  async run(order: RunOrder, signal: AbortSignal, onReport: (report: Report) => void): Promise<RunAnswer> {
    if (signal.aborted) return { ok: false, error: abortError(signal) }
    let grace: NodeJS.Timeout | undefined
    const stop = () => {
      this.#tell({ type: 'abort', message: abortError(signal).message })
      grace = setTimeout(() => this.#kill(), this.#options.abortGraceMs)
    }
    signal.addEventListener('abort', stop, { once: true })
    try {
      const answer = await new Promise<RunAnswer>((resolve) => {
        this.#run = { answer: resolve, onReport }
        this.start()
        this.#tell(order)
      })
      return signal.aborted ? { ok: false, error: abortError(signal) } : answer
    } finally {
      this.#run = null
      clearTimeout(grace)
      signal.removeEventListener('abort', stop)
    }
  }

  /** Starts the child ahead of its first task. */
  start(): void {
    this.#child ??= this.#fork()
  }

  /** Kills the child; resolves when it is gone. */
  async stop(): Promise<void> {
    const child = this.#child
    if (child === null) return
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    this.#kill()
    await exited
  }

  #fork(): ChildProcess {
    const { engine, log } = this.#options
    const engineId = engine.manifest.id
    const child = fork(CHILD_PATH, [engine.moduleUrl, engineId], {
      env: childEnvironment(process.env, engine.environment),
      execArgv: [],
      // Its own process group: a Ctrl-C in the terminal is for the agent, which drains; and a kill takes helpers too.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let stderrTail = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      stderrTail = `${stderrTail}${chunk.toString()}`.slice(-STDERR_TAIL_CHARACTERS)
    })
    child.on('message', (raw) => {
      if (child === this.#child) this.#receive(raw)
    })
    const ended = (how: string) => {
      if (child !== this.#child) return
      this.#child = null
      this.#options.onModel(null)
      log('engine.exited', { engine_id: engineId, how, stderr: how === 'SIGKILL' ? null : stderrTail })
      const message = `The engine process ended while it ran the task (${how}).`
      this.#run?.answer({ ok: false, error: { code: 'engine_crashed', message, retryable: true } })
    }
    child.on('exit', (code, signal) => ended(signal ?? `exit code ${code}`))
    child.on('error', (error) => ended(error.message))
    log('engine.started', { engine_id: engineId, pid: child.pid ?? 0 })
    return child
  }

  #receive(raw: unknown): void {
    const parsed = ChildMessage.safeParse(raw)
    if (!parsed.success) {
      this.#options.log('engine.malformed_message', { engine_id: this.#options.engine.manifest.id })
      this.#kill()
      return
    }
    const message = parsed.data
    switch (message.type) {
      case 'model':
        this.#options.onModel(message.id)
        break
      case 'report':
        this.#run?.onReport({ progress: message.progress, partial: message.partial })
        break
      case 'finished': {
        const { summary, loadMs, runMs } = message
        this.#run?.answer({ ok: true, summary, loadMs, runMs })
        break
      }
      case 'failed':
        this.#run?.answer({ ok: false, error: message.error })
        break
    }
  }

  #tell(message: HostMessage): void {
    // A child that is gone has said so by its exit event: the callback only keeps the error from being thrown.
    this.#child?.send(message, () => {})
  }

  #kill(): void {
    const pid = this.#child?.pid
    if (pid === undefined) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // ESRCH: it ended between the two lines.
    }
  }
}

const STDERR_TAIL_CHARACTERS = 500

function abortError(signal: AbortSignal): TaskError {
  if (signal.reason instanceof EngineError) return signal.reason.taskError
  return { code: 'aborted', message: 'The task was aborted.', retryable: true }
}

/** What an engine may see of ours, besides what its list names: nothing secret, whatever the agent was started with. */
const INHERITED = [
  'PATH',
  'HOME',
  'TMPDIR',
  'LANG',
  'LC_ALL',
  'TZ',
  'LD_LIBRARY_PATH',
  'CUDA_VISIBLE_DEVICES',
]

function childEnvironment(env: NodeJS.ProcessEnv, named: readonly string[]): NodeJS.ProcessEnv {
  const inherited = [...INHERITED, ...named].flatMap((name) =>
    env[name] === undefined ? [] : [[name, env[name]]],
  )
  return {
    ...Object.fromEntries(inherited),
    // ONNX Runtime 1.30 writes a device id and an event database into HOME unless told not to.
    ORT_DISABLE_TELEMETRY: '1',
    // glibc keeps the heap of a released model otherwise: 483 MB instead of 89 MB after four swaps.
    MALLOC_MMAP_THRESHOLD_: '131072',
    MALLOC_TRIM_THRESHOLD_: '131072',
  }
}
