import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '#agent/child-process.ts'

const PROGRAM = fileURLToPath(new URL('bare-session.ts', import.meta.url))

/**
 * ONNX Runtime and nothing else, in a process with an engine child's environment: its allocator gives memory back, and
 * gets it anew for each session, which takes time.
 */
export class BareSessions implements AsyncDisposable {
  readonly #child: ChildProcess

  constructor(modelPath: string) {
    this.#child = fork(PROGRAM, [modelPath], { env: childEnvironment(process.env, []), execArgv: [] })
  }

  /** How many ms it took. */
  async open(): Promise<number> {
    this.#child.send('open')
    const [ms] = await once(this.#child, 'message')
    return Number(ms)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.disconnect()
    await once(this.#child, 'exit')
  }
}
