import { resolve } from 'node:path'
import { defaultDataPath } from '#host/data-folder.ts'
import { startHost } from '#host/host.ts'
import { EXIT } from './exit-codes.ts'
import { aborted } from './interrupts.ts'
import type { Command } from './io.ts'
import { exactly, parseParameters, wholeNumber } from './parameters.ts'

const DEFAULT_PORT = 8787

export const command: Command = {
  summary: 'run a server on this machine, with one local agent',
  usage: `usage: dalston serve [--host 127.0.0.1] [--port ${DEFAULT_PORT}] [--data DIR] [--no-agent]

  --host HOST   listen there; 0.0.0.0 for every interface
  --port PORT   0 takes a free one
  --data DIR    where everything is kept: $DALSTON_DATA, else $XDG_DATA_HOME/dalston, else ~/.local/share/dalston
  --no-agent    no local agent: \`dalston agents token\` lets others join
Settings are read from settings.yaml in the data folder, and from the environment, which wins: see \`dalston settings\`.
Ctrl-C or SIGTERM ends it in order; what it was doing continues at the next start.`,
  async run(parameters, io) {
    const { values, positionals } = parseParameters(parameters, {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string' },
      data: { type: 'string' },
      'no-agent': { type: 'boolean', default: false },
    })
    exactly(positionals)
    const port = wholeNumber('--port', values.port, { min: 0, max: 65_535 }) ?? DEFAULT_PORT
    const dataPath = values.data === undefined ? defaultDataPath(io.environment) : resolve(values.data)
    const interrupts = io.listenForInterrupts()
    const host = await startHost({
      dataPath,
      host: values.host,
      port,
      agent: !values['no-agent'],
      environment: io.environment,
    })
    try {
      io.err(`data in ${host.dataPath}; the API key is in admin.key there\n`)
      if (values.data !== undefined) io.err(`in other terminals: export DALSTON_DATA=${host.dataPath}\n`)
      await Promise.race([host.agentReady, aborted(interrupts.first)]).catch((error: Error) => {
        io.err(`${error.message}; the server goes on without it\n`)
      })
      if (!interrupts.first.aborted) {
        io.out(`Dalston is ready at ${host.address}\n`)
        io.out(`Sign in to the console, once, by ${await host.signInLink()}\n`)
      }
      await aborted(interrupts.first)
      io.err('stopping …\n')
    } finally {
      await host.stop()
    }
    return EXIT.ok
  },
}
