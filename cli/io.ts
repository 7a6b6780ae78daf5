import { type Interrupts, listenForInterrupts } from './interrupts.ts'

/** What a command may touch of the outside: data on stdout, everything for people on stderr. */
export interface Io {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly environment: Readonly<Record<string, string | undefined>>
  /** stderr is a terminal on which lines may be drawn over. */
  readonly canRedraw: boolean
  readonly columns: () => number
  /** From here on Ctrl-C is the command's to handle. */
  readonly listenForInterrupts: () => Interrupts
}

export interface Command {
  /** One line for the list of commands. */
  readonly summary: string
  readonly usage: string
  readonly run: (parameters: readonly string[], io: Io) => Promise<number>
}

export function processIo(): Io {
  const { stdout, stderr, env } = process
  // A reader that has enough (`dalston jobs ls | head`) is no failure of ours.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    environment: env,
    canRedraw: mayRedraw(stderr.isTTY === true, env),
    columns: () => stderr.columns ?? 80,
    listenForInterrupts,
  }
}

/** CI and NO_COLOR ask for plain output, and a dumb terminal can do no other. */
export function mayRedraw(isTerminal: boolean, environment: Io['environment']): boolean {
  const { CI, NO_COLOR, TERM } = environment
  return isTerminal && !CI && !NO_COLOR && TERM !== 'dumb'
}
