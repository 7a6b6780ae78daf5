import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { EXIT } from './exit-codes.ts'
import type { Command } from './io.ts'

export const command: Command = {
  summary: 'run an agent: lend this machine to a server',
  usage: `usage: dalston agent --server URL --token TOKEN [--name NAME] [--data DIR] [--slots N] [--threads N]
                     [--memory-mib N] [--engines FILE [--engines-only]] [--drain-timeout SECONDS]
                     [--rotate-after DAYS] [--rotate-now]
The token comes from \`dalston agents token\` and is needed once; then the agent's own credential, in --data (default
~/.dalston/agent), is used. DALSTON_JOIN_TOKEN may hold the token, which keeps it out of the list of processes. --memory-mib is what engines
may take together, four fifths of the machine's memory when not given. --engines FILE adds the engines of a list module
of your own (engines/README.md says how one looks); --engines-only leaves the built-in ones out. The agent gets itself a
new credential when the one it has is 30 days old, or --rotate-after; --rotate-now does so before it connects.
Exit codes: 0 it left in order, 1 failure, 2 usage, 4 its credential or token was refused or revoked.`,
  /** The agent parses its own parameters; here it only gets the terminal. */
  async run(parameters) {
    const main = fileURLToPath(new URL('../agent/main.ts', import.meta.url))
    // By the channel the agent hears when this process is killed, and drains: it would run on unseen.
    const child = spawn(process.execPath, [main, ...parameters], {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    })
    // The terminal's Ctrl-C reaches the agent by itself, which drains; this process waits for it.
    process.on('SIGINT', () => undefined)
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
    const [code] = await once(child, 'exit')
    return typeof code === 'number' ? code : EXIT.failure
  },
}
