import { drain, remove, undrain } from './agent-service.ts'
import { token, tokens } from './agent-tokens.ts'
import { EXIT, type ExitCode, UsageError } from './exit-codes.ts'
import type { Command, Io } from './io.ts'
import { exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS } from './parameters.ts'
import { minute, renderTable } from './render-table.ts'
import { connect } from './target.ts'

const VERBS: Readonly<Record<string, (parameters: readonly string[], io: Io) => Promise<ExitCode>>> = {
  ls: list,
  drain,
  undrain,
  rm: remove,
  token,
  tokens,
}

export const command: Command = {
  summary: 'list agents, take them out of service, and let new ones in',
  usage: `usage: dalston agents ls [--json]
       dalston agents drain ID [--leave] [--reason TEXT] [--json]
       dalston agents undrain ID [--json]
       dalston agents rm ID
       dalston agents token [--pool NAME] [--expires-in SECONDS] [--json]
       dalston agents tokens [--json]
       dalston agents tokens rm ID
All take --server URL. \`drain\` gives an agent no more tasks, what it runs goes on; with --leave it also ends when it is done.
\`rm\` revokes an agent's credential: it is cut off at once, and its tasks go to others. \`token\` prints the line to run on
the machine that joins, \`tokens\` lists what was made, and \`tokens rm\` makes one useless; who joined with it stays.`,
  run([verb, ...parameters], io) {
    const run = verb === undefined || !Object.hasOwn(VERBS, verb) ? undefined : VERBS[verb]
    if (run !== undefined) return run(parameters, io)
    throw new UsageError(`agents: expected ${Object.keys(VERBS).join(', ')}, got ${verb ?? 'nothing'}`)
  },
}

async function list(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, { ...SERVER_OPTIONS, ...JSON_OPTION })
  exactly(positionals)
  const agents = await connect(values.server, io.environment).agents()
  const rows = agents.map((agent) => [
    agent.name,
    agent.status,
    agent.pool,
    `${agent.running_tasks}/${agent.slots}`,
    agent.engines.join(','),
    agent.last_seen_at === null ? 'never' : minute(agent.last_seen_at),
    agent.id,
    agent.why ?? '',
  ])
  const headings = ['AGENT', 'STATUS', 'POOL', 'RUNNING', 'ENGINES', 'LAST SEEN', 'ID', 'WHY']
  if (values.json) io.out(`${JSON.stringify(agents)}\n`)
  else
    io.out(renderTable(headings, rows, 'no agent has joined; `dalston agents token` makes a token for one'))
  return EXIT.ok
}
