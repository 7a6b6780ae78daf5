import type { JoinTokenView } from '#protocol/api.ts'
import { Pool } from '#protocol/ids.ts'
import { EXIT, type ExitCode, UsageError } from './exit-codes.ts'
import type { Io } from './io.ts'
import { exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS, wholeNumber } from './parameters.ts'
import { minute, renderTable } from './render-table.ts'
import { connect } from './target.ts'

/** `dalston agents token`: the line to run on the machine that joins. */
export async function token(parameters: readonly string[], io: Io): Promise<ExitCode> {
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

/** `dalston agents tokens`, and `dalston agents tokens rm ID`. */
export function tokens([verb, ...parameters]: readonly string[], io: Io): Promise<ExitCode> {
  if (verb === 'rm') return revoke(parameters, io)
  return list(verb === undefined ? parameters : [verb, ...parameters], io)
}

async function list(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, { ...SERVER_OPTIONS, ...JSON_OPTION })
  exactly(positionals)
  const made = await connect(values.server, io.environment).joinTokens()
  const rows = made.map((one) => [
    one.id,
    one.last_four === '' ? '' : `${one.prefix}…${one.last_four}`,
    one.pool,
    stateOf(one, Date.now()),
    minute(one.created_at),
    minute(one.expires_at),
    String(one.used_count),
  ])
  const headings = ['ID', 'TOKEN', 'POOL', 'STATE', 'CREATED', 'EXPIRES', 'USED']
  if (values.json) io.out(`${JSON.stringify(made)}\n`)
  else io.out(renderTable(headings, rows, 'no join token; `dalston agents token` makes one'))
  return EXIT.ok
}

async function revoke(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, SERVER_OPTIONS)
  const [id = ''] = exactly(positionals, 'ID')
  await connect(values.server, io.environment).revokeJoinToken(id)
  io.out(`${id} revoked\n`)
  return EXIT.ok
}

function stateOf({ revoked_at, expires_at }: JoinTokenView, nowMs: number): string {
  if (revoked_at !== null) return 'revoked'
  return Date.parse(expires_at) <= nowMs ? 'expired' : 'good'
}

function parsePool(text: string): Pool {
  const result = Pool.safeParse(text)
  if (result.success) return result.data
  throw new UsageError(`--pool: ${result.error.issues[0]?.message}, got ${text}`)
}
