import { type ChildProcess, spawn } from 'node:child_process'
import type { Writable } from 'node:stream'
import { LineSplitter } from './line-splitter.ts'
import { MOST_LINE_BYTES } from './messages.ts'

export interface ProgramOptions {
  readonly command: readonly string[]
  readonly folder: string
  readonly onLine: (line: Buffer) => void
  /** A line was too long: nothing more of it is read. */
  readonly onFlood: (problem: string) => void
  /** It closed its stdout and goes on: nothing will come of it any more. */
  readonly onMute: () => void
  /** The program is gone, and every process of its group with it. */
  readonly onEnd: (how: string) => void
}

/**
 * A running program in a process group of its own. Whatever ends us ends it, with everything that it started: the group
 * holds a watcher that waits for the end of a pipe which only this process has open, and kills the group then. Programs that
 * look at the end of their stdin go before; those that hang in native code do not have to look.
 */
export class Program {
  readonly #child: ChildProcess
  readonly #lines = new LineSplitter(MOST_LINE_BYTES)
  #tail = ''
  #isOver = false

  constructor(options: ProgramOptions) {
    const child = spawn('/bin/sh', ['-c', LAUNCH, 'launch', ...options.command], {
      cwd: options.folder,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    })
    this.#child = child
    child.stdout?.on('data', (chunk: Buffer) => {
      try {
        for (const line of this.#lines.push(chunk)) options.onLine(line)
      } catch (error) {
        child.stdout?.removeAllListeners('data').resume()
        options.onFlood(error instanceof Error ? error.message : String(error))
      }
    })
    child.stderr?.on('data', (chunk: Buffer) => this.note(chunk.toString()))
    // A program that is gone has said so by its exit: the write that fails behind it says nothing new.
    child.stdin?.on('error', () => {})
    let left: NodeJS.Timeout | undefined
    let mute: NodeJS.Timeout | undefined
    // A program that ends closes it as well, a moment before.
    child.stdout?.on('end', () => {
      if (!this.#isOver) mute = setTimeout(options.onMute, PIPES_MS)
    })
    child.on('exit', () => {
      this.#isOver = true
      clearTimeout(mute)
      child.stdio[LIFELINE]?.destroy()
      // Its pipes end with its group; a helper that left the group and holds one is not waited for.
      left = setTimeout(() => {
        child.stdout?.destroy()
        child.stderr?.destroy()
      }, PIPES_MS)
    })
    child.on('close', (code, signal) => {
      clearTimeout(left)
      options.onEnd(signal ?? `exit code ${code}`)
    })
    child.on('error', (error) => {
      // The shell is always there: what is missing is where it should run.
      const isMissing = 'code' in error && error.code === 'ENOENT'
      options.onEnd(isMissing ? `there is no folder ${options.folder}` : error.message)
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /**
   * The newest of what it wrote beside the wire, with a line that it did not end. It may hold anything: for the error that
   * names the end, never for a log.
   */
  get tail(): string {
    return `${this.#tail}${this.#lines.rest()}`.slice(-TAIL_CHARACTERS).trim()
  }

  /** Adds to the tail. */
  note(text: string): void {
    this.#tail = `${this.#tail}${text}`.slice(-TAIL_CHARACTERS)
  }

  write(line: string): void {
    this.#child.stdin?.write(line)
  }

  /** The end of its input: time to go. */
  endInput(): void {
    const stdin: Writable | null = this.#child.stdin
    stdin?.end()
  }

  /** Kills the program and all that it started. */
  kill(): void {
    // Of a program that is over the watcher ends the rest, and the number may be another group's by now.
    if (this.#child.pid === undefined || this.#isOver) return
    try {
      process.kill(-this.#child.pid, 'SIGKILL')
    } catch {
      // ESRCH: it ended between the two lines.
    }
  }
}

const LIFELINE = 3
const TAIL_CHARACTERS = 800
const PIPES_MS = 1000

/**
 * The watcher first, so that there is no moment without it; then the shell becomes the program. `read` returns when the other
 * end of the pipe closes. The program does not have the pipe, nor the watcher the program's.
 */
const LAUNCH = `
(read -r _ <&${LIFELINE}; kill -KILL 0) </dev/null >/dev/null 2>&1 &
exec ${LIFELINE}<&-
exec "$@"
`
