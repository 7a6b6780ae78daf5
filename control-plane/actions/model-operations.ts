import { type ModelId, newId, OperationId } from '#protocol/ids.ts'
import type { CatalogModel } from '#protocol/model.ts'
import {
  type CreateModelOperation,
  MAX_ENTRY_BYTES,
  type ModelOperationView,
  type OrderTarget,
} from '#protocol/model-order.ts'
import { similar } from '#protocol/nearest.ts'
import { listAgentIds } from '#store/agents.ts'
import { catalog } from '../catalog.ts'
import type { Bindings } from '../env.ts'
import { notFound, ProblemError } from '../problem-error.ts'
import { randomBytes } from './access.ts'
import type { Caller } from './caller.ts'
import { listModels } from './fleet.ts'

/** What a tenant asks of the models on its agents: begun here, kept and watched in the pool's registry. */
export async function beginOperation(
  env: Bindings,
  caller: Caller,
  asked: CreateModelOperation,
): Promise<ModelOperationView> {
  if (asked.keep_alive_seconds !== undefined && asked.action !== 'prefetch')
    throw new ProblemError('invalid_request', 'keep_alive_seconds: expected with prefetch only.')
  const entry = asked.entry ?? null
  if (entry !== null) checkEntry(entry, asked.model)
  const modelId = entry?.id ?? (await knownModel(env, caller, asked.model))
  const begun = await registryOf(env, caller).beginOperation(
    {
      id: OperationId.parse(newId('op', Date.now(), randomBytes(16))),
      tenantId: caller.tenantId,
      action: asked.action,
      modelId,
      entry,
      keepAliveSeconds: asked.keep_alive_seconds ?? null,
    },
    asked.target,
    await listAgentIds(env.DB, caller),
  )
  if (begun.ok && begun.operation !== null) return begun.operation
  if (begun.ok) throw new Error('an operation that was begun is not there')
  throw begun.reason === 'none' ? noTarget(asked.target) : queueFull(begun.agents)
}

export async function readOperation(env: Bindings, caller: Caller, id: string): Promise<ModelOperationView> {
  return found(await registryOf(env, caller).operation(idOf(id), caller.tenantId))
}

/** Ends what its agents have not done yet. What is over stays as it is, however often it is asked. */
export async function cancelOperation(
  env: Bindings,
  caller: Caller,
  id: string,
): Promise<ModelOperationView> {
  return found(await registryOf(env, caller).cancelOperation(idOf(id), caller.tenantId))
}

/** One stream for all agents. A reader that comes after the end gets 204: there is nothing to wait for. */
export async function followOperation(
  env: Bindings,
  caller: Caller,
  id: string,
  request: Request,
): Promise<Response> {
  const { id: operationId } = await readOperation(env, caller, id)
  const headers = new Headers({ 'x-dalston-operation-id': operationId })
  const lastEventId = request.headers.get('last-event-id')
  if (lastEventId !== null) headers.set('last-event-id', lastEventId)
  return registryOf(env, caller).fetch(new Request(request.url, { headers, signal: request.signal }))
}

function idOf(id: string): OperationId {
  const operationId = OperationId.safeParse(id)
  if (!operationId.success) throw notFound('model operation')
  return operationId.data
}

function found(operation: ModelOperationView | null): ModelOperationView {
  if (operation === null) throw notFound('model operation')
  return operation
}

/** An agent takes what an entry says for a fact about a hub's files: nothing else may come in one. */
function checkEntry(entry: CatalogModel, name: string): void {
  const fault = faultOf(entry, name)
  if (fault !== null) throw new ProblemError('invalid_request', fault)
}

function faultOf(entry: CatalogModel, name: string): string | null {
  if (entry.id !== name && !entry.aliases.some((alias) => alias === name))
    return `entry.id: expected the entry of "${name.slice(0, 100)}", got that of ${entry.id}.`
  if (entry.source.kind === 'bundled')
    return 'entry.source.kind: expected hub or folder; what is bundled comes with an installation.'
  const sizeBytes = new TextEncoder().encode(JSON.stringify(entry)).length
  if (sizeBytes > MAX_ENTRY_BYTES)
    return `entry: expected at most ${MAX_ENTRY_BYTES} bytes of JSON, got ${sizeBytes}.`
  return null
}

/** By id or alias, in the catalog or announced by an agent. */
async function knownModel(env: Bindings, caller: Caller, name: string): Promise<ModelId> {
  const inCatalog = catalog.models.find(
    ({ id, aliases }) => id === name || aliases.some((one) => one === name),
  )
  if (inCatalog !== undefined) return inCatalog.id
  const models = await listModels(env, caller)
  const announced = models.find(({ id }) => id === name)
  if (announced !== undefined) return announced.id
  const near = similar(
    name,
    models.map(({ id }) => id),
  )
  const help = near === undefined ? 'GET /v1/models lists them.' : `Did you mean ${near}?`
  throw new ProblemError('model_not_found', `There is no model "${name.slice(0, 100)}". ${help}`)
}

function noTarget(target: OrderTarget): ProblemError {
  switch (target.kind) {
    case 'agent':
      return new ProblemError('not_found', 'There is no agent with this id that ever connected to this pool.')
    case 'label':
      return new ProblemError('conflict', `No agent of this pool has the label "${target.label}".`)
    case 'fleet':
      return new ProblemError('conflict', 'No agent has connected to this pool yet.')
  }
}

/** Each of these agents has as many orders as may wait. */
export function queueFull(agents: readonly string[]): ProblemError {
  const detail = `${agents.slice(0, 10).join(', ')}: as many orders wait there as may. Try again when some are done.`
  return new ProblemError('model_queue_full', detail, {}, { 'retry-after': '30' })
}

function registryOf(env: Bindings, { pool }: Caller) {
  return env.REGISTRY.getByName(`pool:${pool}`)
}
