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
import { operationView } from './operation-view.ts'
import { agentDataFolder, readOwnEntry } from './own-entries.ts'
import { exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS, wholeNumber } from './parameters.ts'
import { connect } from './target.ts'

/** What agents are asked to do with a model: `dalston models pull|rm|pin|unpin|prefetch ID`. */
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
    if (!values['no-wait']) return watch(client, operation, values.json, io)
    io.out(values.json ? `${JSON.stringify(operation)}\n` : `${operation.id}\n`)
    return EXIT.ok
  }
}

/** A name that only one agent has stands for its id. */
async function targetOf(
  client: Dalston,
  { agent, label }: { readonly agent?: string | undefined; readonly label?: string | undefined },
): Promise<OrderTarget> {
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
  const named = (await client.agents()).filter(({ name }) => name === agent)
  const [only] = named
  if (only !== undefined && named.length === 1) return { kind: 'agent', agent_id: only.id }
  const found =
    named.length === 0 ? 'no agent has that name' : `${named.length} agents have that name, use an id`
  throw new CommandError(`--agent ${agent}: ${found}; \`dalston agents ls\` lists them`, EXIT.failure)
}

async function watch(client: Dalston, begun: ModelOperationView, asJson: boolean, io: Io): Promise<ExitCode> {
  const view = operationView(io)
  const interrupts = io.listenForInterrupts()
  let last = begun
  view.update(begun)
  try {
    for await (const operation of client.watchModelOperation(begun.id, { signal: interrupts.first })) {
      last = operation
      view.update(operation)
    }
  } catch (error) {
    if (!interrupts.first.aborted) throw error
    io.err(`it goes on without you: GET /v1/models/operations/${begun.id}\n`)
    return EXIT.interrupted
  }
  if (asJson) io.out(`${JSON.stringify(last)}\n`)
  return last.state === 'completed' ? EXIT.ok : EXIT.failure
}
