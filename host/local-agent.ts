import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { moveCredential } from './agent-credential.ts'
import type { DataFolder } from './data-folder.ts'
import { endProcess, identify, type ProcessIdentity } from './processes.ts'

export interface LocalAgentOptions {
  /** The agent's main module. */
  readonly mainPath: string
  readonly server: string
  readonly folder: DataFolder
  readonly joinToken: () => Promise<string>
  /** Where the agent's own log goes. */
  readonly logFd: number
  readonly log: (line: string) => void
  readonly onProcess: (process: ProcessIdentity | null) => void
  /** The wait before the first restart; it doubles, with full jitter. */
  readonly restartBaseMs?: number | undefined
}

export interface LocalAgent {
  /** Resolves when the server has welcomed the agent; rejects when it ended three times before. */
  readonly ready: Promise<void>
  /** Lets it finish or hand back, for a bounded time. */
  stop(): Promise<void>
}

const TRIES_BEFORE_READY = 3
const RESTART_BASE_MS = 500
const RESTART_CAP_MS = 30_000
/** A run this long was a good one: the next restart is quick again. */
const STABLE_MS = 10_000
/** The second SIGTERM says: hand back at once. */
const DRAIN_MS = 5_000
const HAND_BACK_MS = 3_000

/** Keeps one agent running beside the server: it is started again, with backoff, when it ends unasked. */
export function startLocalAgent(options: LocalAgentOptions): LocalAgent {
  const { log } = options
  const stopping = new AbortController()
  const ready = Promise.withResolvers<void>()
  ready.promise.catch(() => undefined) // who does not await it still sees the log
  let child: ChildProcess | null = null

  moveCredential(options.folder.agentPath, options.server)
  const supervised = supervise()

  return {
    ready: ready.promise,
    async stop() {
      stopping.abort()
      ready.reject(new Error('the local agent was stopped'))
      if (child !== null) await drain(child)
      await supervised
    },
  }

  async function supervise(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; ) {
      const startedMs = performance.now()
      const end = await runOnce()
      if (stopping.signal.aborted) return
      failures = performance.now() - startedMs > STABLE_MS ? 1 : failures + 1
      log(`the local agent ended (${end}); it is started again`)
      if (failures >= TRIES_BEFORE_READY) {
        ready.reject(new Error(`the local agent ended ${failures} times before it was ready (${end})`))
      }
      const ceilingMs = Math.min(RESTART_CAP_MS, (options.restartBaseMs ?? RESTART_BASE_MS) * 2 ** failures)
      await delay(Math.random() * ceilingMs, undefined, { signal: stopping.signal }).catch(() => undefined) // stopped while waiting
    }
  }

  /** Runs the agent until it ends; says how. */
  async function runOnce(): Promise<string> {
    try {
      const token = await options.joinToken()
      if (stopping.signal.aborted) return 'stopped'
      child = forkAgent(options, token)
    } catch (error) {
      return String(error)
    }
    child.on('message', (message) => {
      if (isReady(message)) ready.resolve()
    })
    options.onProcess(child.pid === undefined ? null : identify(child.pid))
    const end = await ended(child)
    child = null
    options.onProcess(null)
    return end
  }
}

function forkAgent({ mainPath, server, folder, logFd }: LocalAgentOptions, token: string): ChildProcess {
  const parameters = ['--server', server, '--data', folder.agentPath, '--name', 'local']
  return fork(mainPath, parameters, {
    // Its own group: the terminal's Ctrl-C is for the server, which then drains the agent in order.
    detached: true,
    execArgv: [],
    // Not on the command line, which every user of the machine can read.
    env: { ...process.env, DALSTON_JOIN_TOKEN: token },
    stdio: ['ignore', logFd, logFd, 'ipc'],
  })
}

async function ended(child: ChildProcess): Promise<string> {
  try {
    const [code, signal] = await once(child, 'exit')
    return signal === null ? `exit ${code}` : `signal ${signal}`
  } catch (error) {
    return String(error) // it could not be started at all
  }
}

async function drain(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  if (await within(exit, DRAIN_MS)) return
  child.kill('SIGTERM')
  if (await within(exit, HAND_BACK_MS)) return
  const identity = identify(child.pid)
  if (identity !== null) await endProcess(identity, 0)
}

async function within(event: Promise<unknown>, limitMs: number): Promise<boolean> {
  const timer = new AbortController()
  const late = delay(limitMs, false, { signal: timer.signal }).catch(() => false) // not needed any more
  const outcome = await Promise.race([event.then(() => true), late])
  timer.abort()
  return outcome
}

function isReady(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready'
}
