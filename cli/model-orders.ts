import type { Dalston } from '#client/dalston.ts'
import { AgentId } from '#protocol/ids.ts'
import {
  AgentLabel,
  type ModelAction,
  type ModelOperationView,
  type OrderTarget,
} from '#protocol/model-order.ts'
import { CommandError, EXIT, type ExitCode, UsageError } from './exit-codes.ts'
import type { Io } from './io.ts'
import { operationView, waitsForAbsent } from './operation-view.ts'
import { agentDataFolder, readOwnEntry } from './own-entries.ts'
import { exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS, wholeNumber } from './parameters.ts'
import { connect } from './target.ts'

/** What agents are asked to do with a model: `dalston models pull|rm|pin|unpin|prefetch ID`, and `cancel OPERATION`. */
const OPTIONS = {
  ...SERVER_OPTIONS,
  ...JSON_OPTION,
  agent: { type: 'string' },
  label: { type: 'string' },
  pool: { type: 'string' },
  'agent-data': { type: 'string' },
  'keep-alive': { type: 'string' },
  'no-wait': { type: 'boolean', default: false },
} as const

export const pull = order('pull')
export const remove = order('remove')
export const pin = order('pin')
export const unpin = order('unpin')
export const prefetch = order('prefetch')

const CANCEL_OPTIONS = { ...SERVER_OPTIONS, ...JSON_OPTION, pool: { type: 'string' } } as const

/** Ends what agents have not done yet of an operation. */
export async function cancel(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, CANCEL_OPTIONS)
  const [id = ''] = exactly(positionals, 'OPERATION')
  const { server, pool, json } = values
  const operation = await connect(server, io.environment).cancelModelOperation(id, { pool })
  io.out(json ? `${JSON.stringify(operation)}\n` : `${operation.id}  ${operation.state}\n`)
  return EXIT.ok
}

function order(action: ModelAction) {
  return async (parameters: readonly string[], io: Io): Promise<ExitCode> => {
    const { values, positionals } = parseParameters(parameters, OPTIONS)
    const [model = ''] = exactly(positionals, 'ID')
    if (values['keep-alive'] !== undefined && action !== 'prefetch')
      throw new UsageError('--keep-alive goes with prefetch')
    const keepAlive = wholeNumber('--keep-alive', values['keep-alive'], { min: 0, max: 604_800 })
    const client = connect(values.server, io.environment)
    const entry = readOwnEntry(model, agentDataFolder(values['agent-data'], io.environment))
    const operation = await client.beginModelOperation({
      action,
      model,
      target: await targetOf(client, values),
      ...(entry === null ? {} : { entry }),
      ...(values.pool === undefined ? {} : { pool: values.pool }),
      ...(keepAlive === undefined ? {} : { keep_alive_seconds: keepAlive }),
    })
    if (!values['no-wait']) return watch(client, operation, values, io)
    io.out(values.json ? `${JSON.stringify(operation)}\n` : `${operation.id}\n`)
    return EXIT.ok
  }
}

interface Where {
  readonly agent?: string | undefined
  readonly label?: string | undefined
  readonly pool?: string | undefined
}

/** A name that only one agent has stands for its id. */
async function targetOf(client: Dalston, { agent, label, pool }: Where): Promise<OrderTarget> {
  if (agent !== undefined && label !== undefined)
    throw new UsageError('--agent and --label: expected one of them')
  if (label !== undefined) {
    const parsed = AgentLabel.safeParse(label)
    if (!parsed.success) throw new UsageError(`--label: expected a label such as gpu, got ${label}`)
    return { kind: 'label', label: parsed.data }
  }
  if (agent === undefined) return { kind: 'fleet' }
  const id = AgentId.safeParse(agent)
  if (id.success) return { kind: 'agent', agent_id: id.data }
  if (pool !== undefined) throw new UsageError(`--agent ${agent}: with --pool expected the agent's id`)
  const named = (await client.agents()).filter(({ name }) => name === agent)
  const [only] = named
  if (only !== undefined && named.length === 1) return { kind: 'agent', agent_id: only.id }
  const found =
    named.length === 0 ? 'no agent has that name' : `${named.length} agents have that name, use an id`
  throw new CommandError(`--agent ${agent}: ${found}; \`dalston agents ls\` lists them`, EXIT.failure)
}

/** A box that restarts is back by then; one that left for good would hold up a script for ever. */
const ABSENT_MS = 60_000

async function watch(
  client: Dalston,
  begun: ModelOperationView,
  { json, pool }: { readonly json: boolean; readonly pool?: string | undefined },
  io: Io,
): Promise<ExitCode> {
  const view = operationView(io)
  const interrupts = io.listenForInterrupts()
  const patience = new AbortController()
  const signal = AbortSignal.any([interrupts.first, patience.signal])
  let timer: NodeJS.Timeout | undefined
  let last = begun
  const show = (operation: ModelOperationView) => {
    last = operation
    view.update(operation)
    clearTimeout(timer)
    if (waitsForAbsent(operation)) timer = setTimeout(() => patience.abort(), ABSENT_MS)
  }
  show(begun)
  try {
    for await (const operation of client.watchModelOperation(begun.id, { signal, pool })) show(operation)
  } catch (error) {
    if (patience.signal.aborted) {
      io.err('what is left is for agents that are not connected: it goes on when they are back\n')
      if (json) io.out(`${JSON.stringify(last)}\n`)
      return EXIT.pending
    }
    const inPool = pool === undefined ? '' : ` --pool ${pool}`
    io.err(`it goes on without you; to end it: dalston models cancel ${begun.id}${inPool}\n`)
    if (!interrupts.first.aborted) throw error
    return EXIT.interrupted
  } finally {
    clearTimeout(timer)
  }
  if (json) io.out(`${JSON.stringify(last)}\n`)
  if (last.state === 'cancelled') return EXIT.cancelled
  return last.state === 'completed' ? EXIT.ok : EXIT.failure
}
