import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { EXIT } from './exit-codes.ts'
import type { Command } from './io.ts'

export const command: Command = {
  summary: 'run an agent: lend this machine to a server',
  usage: `usage: dalston agent --server URL --token TOKEN [--name NAME] [--data DIR] [--slots N] [--threads N]
                     [--memory-mib N] [--vram-mib N] [--keep-alive SECONDS] [--device auto|cpu|cuda|webgpu]
                     [--hub URL]... [--hub-token-file FILE] [--models-limit-gib N] [--label NAME]...
                     [--engines FILE [--engines-only]] [--drain-timeout SECONDS] [--rotate-after DAYS] [--rotate-now]
The token comes from \`dalston agents token\` and is needed once; then the agent's own credential, in --data (default
~/.dalston/agent), is used. DALSTON_JOIN_TOKEN may hold the token, which keeps it out of the list of processes.
--memory-mib is what engines may take together, four fifths of the machine's memory when not given; --vram-mib the same of a
GPU's. --keep-alive is how long a model stays in memory without work (300; 0: gone at once; forever). --device auto takes a
GPU where one works. --hub is where models are pulled from (HF_ENDPOINT; again for mirrors), with the token in HF_TOKEN or
--hub-token-file; --models-limit-gib bounds them on the disk. --label names the box for orders to many. --engines FILE adds
engines of your own: a list module, or programs that a YAML file describes (engines/README.md); --engines-only leaves the
built-in ones out. The agent gets itself a new credential when the one it has is 30 days old, or --rotate-after;
--rotate-now does so before it connects.
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
