import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { aFolder } from './agents.ts'
import { Inbox } from './inbox.ts'

export interface AgentProcess {
  readonly child: ChildProcess
  readonly dataFolder: string
  /** Its log, line by line; a line that is no JSON comes as `{ event: 'text', text }`. */
  readonly lines: Inbox<{ readonly event: string; readonly [field: string]: unknown }>
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>
  readonly ready: Promise<unknown>
  /** All that it wrote on stderr and stdout. */
  output(): string
}

/** The agent as its own process with an IPC channel, as the host starts it. Killed with its test, if it still lives. */
export async function anAgentProcess(
  flags: readonly string[],
  options: { readonly env?: Record<string, string>; readonly dataFolder?: string } = {},
): Promise<AgentProcess> {
  const dataFolder = options.dataFolder ?? (await aFolder())
  const child = fork(
    fileURLToPath(new URL('agent-main.ts', import.meta.url)),
    [...flags, '--data', dataFolder],
    {
      env: { PATH: process.env.PATH, HOME: dataFolder, ...options.env },
      execArgv: [],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    },
  )
  let output = ''
  let rest = ''
  const lines: AgentProcess['lines'] = new Inbox()
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    const parts = `${rest}${chunk.toString()}`.split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) lines.put(parseLine(part))
  })
  // Not `close`: it never comes after a disconnect.
  const exited = Promise.all([
    new Promise<{ code: number | null; signal: string | null }>((resolve) =>
      child.once('exit', (code, signal) => resolve({ code, signal })),
    ),
    new Promise((resolve) => child.stderr?.once('close', resolve)),
  ]).then(([exit]) => exit)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const ready = new Promise((resolve) => child.once('message', resolve))
  return { child, dataFolder, lines, exited, ready, output: () => output }
}

function parseLine(line: string): { readonly event: string } {
  try {
    return JSON.parse(line)
  } catch {
    // The usage text.
    return { event: 'text', ...{ text: line } }
  }
}
