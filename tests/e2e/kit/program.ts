import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** `dalston …` as its user starts it, in a process group of its own; what it says is kept. */
export class Program {
  readonly pid: number
  /** The exit code; null after a signal. */
  readonly exit: Promise<number | null>
  /** Nobody is left who could say something. */
  readonly closed: Promise<unknown>
  readonly #child: ChildProcess
  readonly #waiting = new Set<() => void>()
  #text = ''

  constructor(parameters: readonly string[], environment: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, ['cli/main.ts', ...parameters], {
      cwd: ROOT,
      detached: true,
      env: { ...withoutOurs(process.env), ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    if (this.#child.pid === undefined) throw new Error(`dalston ${parameters.join(' ')} could not be started`)
    this.pid = this.#child.pid
    this.exit = once(this.#child, 'exit').then(([code]) => code)
    this.closed = once(this.#child, 'close')
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#text += text
        this.#look()
      })
    }
    this.#child.on('close', () => this.#look())
  }

  get text(): string {
    return this.#text
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Resolves when it has said that, `from` so many characters on. Rejects with the last of it when it ends before. */
  said(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(this.#text.slice(from))
        if (found === null && !this.hasEnded) return
        this.#waiting.delete(look)
        if (found !== null) resolve(found)
        else reject(new Error(`expected ${pattern}, but the process ended after: ${this.#text.slice(-2000)}`))
      }
      this.#waiting.add(look)
      look()
    })
  }

  /** To the process alone: it passes on what its children are to hear. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (!this.hasEnded) this.#child.kill(signal)
    return this.exit
  }

  /** kill -9 of the whole group. */
  async kill(): Promise<void> {
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch {
      return // ESRCH: nobody of the group is left
    }
    await this.exit
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }
}

/** The settings of whoever runs the tests are not those of the tests. */
function withoutOurs(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('DALSTON_')))
}
