import { Pool } from '#protocol/ids.ts'
import { EXIT, type ExitCode, UsageError } from './exit-codes.ts'
import type { Command, Io } from './io.ts'
import { exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS, wholeNumber } from './parameters.ts'
import { minute, renderTable } from './render-table.ts'
import { connect } from './target.ts'

export const command: Command = {
  summary: 'list agents, or make a token with which they join',
  usage: `usage: dalston agents ls [--json]
       dalston agents token [--pool NAME] [--expires-in SECONDS] [--json]
Both take --server URL. \`token\` prints the line to run on the machine that joins.`,
  run([verb, ...parameters], io) {
    if (verb === 'ls') return list(parameters, io)
    if (verb === 'token') return token(parameters, io)
    throw new UsageError(`agents: expected ls or token, got ${verb ?? 'nothing'}`)
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
  ])
  const headings = ['AGENT', 'STATUS', 'POOL', 'RUNNING', 'ENGINES', 'LAST SEEN', 'ID']
  if (values.json) io.out(`${JSON.stringify(agents)}\n`)
  else
    io.out(renderTable(headings, rows, 'no agent has joined; `dalston agents token` makes a token for one'))
  return EXIT.ok
}

async function token(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, {
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
    pool: { type: 'string' },
    'expires-in': { type: 'string' },
  })
  exactly(positionals)
  const seconds = wholeNumber('--expires-in', values['expires-in'], { min: 60, max: 365 * 86_400 })
  const pool = values.pool === undefined ? undefined : parsePool(values.pool)
  const client = connect(values.server, io.environment)
  const created = await client.createJoinToken({
    ...(pool === undefined ? {} : { pool }),
    ...(seconds === undefined ? {} : { expires_in_seconds: seconds }),
  })
  if (values.json) {
    io.out(`${JSON.stringify({ ...created, server: client.server })}\n`)
    return EXIT.ok
  }
  io.out(`npx dalston agent --server ${client.server} --token ${created.token}\n`)
  io.err(
    `joins pool ${created.pool}, as many agents as you like, until ${minute(created.expires_at)}; run it in a copy of this project after \`npm ci\`\n`,
  )
  if (/\/\/(127\.|localhost|\[::1\])/.test(client.server)) {
    io.err(
      '127.0.0.1 is this machine only: on others put its name there, with the server started by `serve --host 0.0.0.0`\n',
    )
  }
  return EXIT.ok
}

function parsePool(text: string): Pool {
  const result = Pool.safeParse(text)
  if (result.success) return result.data
  throw new UsageError(`--pool: ${result.error.issues[0]?.message}, got ${text}`)
}
