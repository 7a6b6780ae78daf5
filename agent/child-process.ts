import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { EngineEntry } from './engine-list.ts'

/** The process of an engine child: how it is started, what it sees of ours, and what it leaves behind. */
export interface EngineProcess {
  readonly child: ChildProcess
  /** `onExit` is called at once; it gets what the end was, when the last words of stderr are in. */
  onExit(gone: (lastWords: Promise<Ending>) => void): void
  /** SIGKILL for the child and its helpers. */
  kill(): void
}

export interface Ending {
  /** `SIGKILL`, `exit code 7`, or why it could not be started. */
  readonly how: string
  /** Whether `kill` was called: else a SIGKILL came from the system. */
  readonly isKilled: boolean
  readonly stderr: string
}

/**
 * A model's files are read into strings and objects that are garbage at once: with room for 4 MB of them at a time the heap stays
 * small, and a child that loads many models keeps its size.
 */
const ENGINE_OPTIONS = ['--max-semi-space-size=4']

export function startEngineProcess(engine: EngineEntry): EngineProcess {
  const child = fork(CHILD_PATH, [engine.moduleUrl, engine.manifest.id], {
    env: childEnvironment(process.env, engine.environment),
    execArgv: ENGINE_OPTIONS,
    // Its own process group: a Ctrl-C in the terminal is for the agent, which drains; and a kill takes helpers too.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let stderr = ''
  let isKilled = false
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr = `${stderr}${chunk.toString()}`.slice(-STDERR_TAIL_CHARACTERS)
  })
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return {
    child,
    onExit(gone) {
      let isGone = false
      const end = (how: string) => {
        if (isGone) return
        isGone = true
        gone(isKilled ? Promise.resolve({ how, isKilled, stderr: '' }) : lastWords(how))
      }
      const lastWords = async (how: string): Promise<Ending> => {
        await Promise.race([closed, waited(LAST_WORDS_MS)])
        return { how, isKilled, stderr }
      }
      child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`))
      child.once('error', (error) => end(error.message))
    },
    kill() {
      isKilled = true
      if (child.pid === undefined) return
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {
        // ESRCH: it ended between the two lines.
      }
    },
  }
}

const CHILD_PATH = fileURLToPath(new URL('engine-child.ts', import.meta.url))
const STDERR_TAIL_CHARACTERS = 500
/** A helper that outlives the child may hold its stderr open. */
const LAST_WORDS_MS = 300

function waited(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
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

export function childEnvironment(env: NodeJS.ProcessEnv, named: readonly string[]): NodeJS.ProcessEnv {
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
    // Pages of 2 MB, where the kernel gives them to who asks: a core reads weights nearly twice as fast (16 to 29 GB/s).
    GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
  }
}
