import type { AgentView } from '#protocol/api.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Io } from './io.ts'
import { exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS } from './parameters.ts'
import { connect } from './target.ts'
import { printable } from './text.ts'

/** Agents out of service and back: `dalston agents drain|undrain|rm ID`. */
const COMMON = { ...SERVER_OPTIONS, ...JSON_OPTION } as const

export async function drain(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, {
    ...COMMON,
    leave: { type: 'boolean', default: false },
    reason: { type: 'string' },
  })
  const [id = ''] = exactly(positionals, 'ID')
  const { leave, reason } = values
  const client = connect(values.server, io.environment)
  const agent = await client.drainAgent(id, { leave, ...(reason === undefined ? {} : { reason }) })
  io.out(values.json ? `${JSON.stringify(agent)}\n` : stateLine(agent))
  io.err(`${whatFollows(agent, leave)}\n`)
  return EXIT.ok
}

export async function undrain(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, COMMON)
  const [id = ''] = exactly(positionals, 'ID')
  const agent = await connect(values.server, io.environment).undrainAgent(id)
  io.out(values.json ? `${JSON.stringify(agent)}\n` : stateLine(agent))
  return EXIT.ok
}

export async function remove(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, SERVER_OPTIONS)
  const [id = ''] = exactly(positionals, 'ID')
  await connect(values.server, io.environment).removeAgent(id)
  io.out(`${id} removed\n`)
  io.err(
    'its credential opens nothing any more, its tasks go to others; a join token that is still good could let the machine in again: `dalston agents tokens`\n',
  )
  return EXIT.ok
}

function stateLine({ id, name, status, why }: AgentView): string {
  return `${id} ${printable(name)} ${status}${why === null ? '' : `: ${printable(why)}`}\n`
}

function whatFollows({ status, running_tasks }: AgentView, leave: boolean): string {
  const tasks = running_tasks === 1 ? 'task runs' : 'tasks run'
  const rest = running_tasks === 0 ? 'nothing runs on it' : `${running_tasks} ${tasks} to the end`
  if (!leave) return `it gets no more tasks, ${rest}; \`dalston agents undrain\` takes that back`
  if (status === 'offline')
    return 'it is not connected, so it was not asked to leave; when it comes back it gets no tasks'
  return `it gets no more tasks, ${rest}, then it leaves; should it come back, it gets none until \`dalston agents undrain\``
}
