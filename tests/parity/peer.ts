import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const PEERS = fileURLToPath(new URL('../peers/', import.meta.url))

/** Another project's library in a process of its own, with dependencies that the product does not have. */
export class Peer implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>()
  #nextId = 1

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (message: { id: number; result?: unknown; error?: string }) => {
      const waiting = this.#waiting.get(message.id)
      this.#waiting.delete(message.id)
      if (message.error === undefined) waiting?.resolve(message.result)
      else waiting?.reject(new Error(message.error))
    })
    child.on('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the peer ended with ${code}`))
    })
  }

  /** Starts `tests/peers/<module>`; installs its dependencies where they are not there. */
  static async start(module: string): Promise<Peer> {
    if (!existsSync(new URL('../peers/node_modules/', import.meta.url)))
      execFileSync('npm', ['ci', '--prefix', PEERS, '--no-audit', '--no-fund'], { stdio: 'inherit' })
    const child = fork(`${PEERS}${module}`, [], {
      cwd: PEERS,
      serialization: 'advanced',
      env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
    })
    const peer = new Peer(child)
    await new Promise<unknown>((resolve, reject) => peer.#waiting.set(0, { resolve, reject }))
    return peer
  }

  /** The caller says what the module answers. */
  async call<Result>(call: string, options: object): Promise<Result> {
    const id = this.#nextId++
    const result = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#child.send({ id, call, ...options })
    // The assertion holds where the caller names the type that the peer's module answers with: both are in this project.
    return (await result) as Result
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.disconnect()
    await ended
  }
}
