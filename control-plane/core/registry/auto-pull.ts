import type { AgentId, JobId, ModelId, OperationId } from '#protocol/ids.ts'
import type { CatalogModel } from '#protocol/model.ts'
import type { OrderProgress } from '#protocol/model-order.ts'
import type { TaskError } from '#protocol/task.ts'
import type { PipelineChoice } from '../pipeline.ts'
import type { NoCapableEngine } from '../select.ts'
import { keptSums, type OrderSums, percentOf, stateOf } from './operation-sums.ts'
import { begin, isFinal, isQueueFull, type Operation } from './operations.ts'
import type { AgentRecord, RegistryState, WaitingJob } from './state.ts'
import type { RegistryContext, Turn } from './turn.ts'

/**
 * A job whose only want is a model's files: the registry has an agent pull them, the job waits and says how far it is, and
 * fails with the pull's own error.
 */
export interface Pullable {
  readonly agentId: AgentId
  readonly model: CatalogModel
}

/** What the pull of a model would do for a job. */
export type AutoPull =
  /** Nothing that it would mend, or it is not allowed. */
  | { readonly kind: 'none' }
  /** It would help, and goes on or can begin. */
  | { readonly kind: 'pull' }
  /** It would help, but these have as many orders as may wait. */
  | { readonly kind: 'full'; readonly agents: readonly string[] }

const MIB = 1024 ** 2

/** What a job that is submitted now may expect of a pull. */
export function autoPullFor(
  state: RegistryState,
  choice: PipelineChoice,
  nowMs: number,
  context: RegistryContext,
): AutoPull {
  const found = choice.ok ? null : helping(state, choice.error, context)
  if (found === null) return { kind: 'none' }
  const { model, agents } = found
  if (openPull(state, model.id, nowMs - context.settings.offlineMs) !== null) return { kind: 'pull' }
  if (withRoom(state, agents, context) !== null) return { kind: 'pull' }
  return { kind: 'full', agents: agents.map(({ name }) => name) }
}

/** The model that would help and the best agent for it; null: nothing that a pull would mend now, or it is not allowed. */
export function pullable(
  state: RegistryState,
  error: NoCapableEngine,
  context: RegistryContext,
): Pullable | null {
  const found = helping(state, error, context)
  const agent = found === null ? null : withRoom(state, found.agents, context)
  return found === null || agent === null ? null : { agentId: agent.id, model: found.model }
}

/**
 * Has the model pulled for a job on the waiting list, unless that goes on already. A job asks again now and then, so what
 * went nowhere begins anew: its agent was away for long, or was done and has no model.
 */
export function pullFor(turn: Turn, job: WaitingJob, error: NoCapableEngine, operationId: OperationId): void {
  const { state, context } = turn
  if (state.outbox.has(unavailableId(job.jobId))) return
  const found = helping(state, error, context)
  if (found === null) return
  const modelId = found.model.id
  const isOnTheWay = pullOnTheWay(turn, modelId) !== null
  const agent = isOnTheWay ? null : withRoom(state, found.agents, context)
  // All are full: it asks again.
  if (!isOnTheWay && agent === null) return
  if (state.waiting.get(job.jobId)?.pulls !== modelId) turn.wait({ ...job, pulls: modelId })
  if (agent === null) return
  const { tenantId } = job
  begin(turn, { id: operationId, tenantId, action: 'pull', modelId, entry: null, keepAliveSeconds: null }, [
    agent.id,
  ])
}

/**
 * An operation moved: who waits for its model is told, in steps of ten percent. One that failed ends nobody's wait while
 * another pull goes on, such as an operator's, or an agent has the model: its engines are looked for at the next wake.
 */
export function tellWaiting(turn: Turn, operation: Operation, before: OrderSums, after: OrderSums): void {
  const { state } = turn
  const { action, modelId } = operation
  if (action !== 'pull' || state.waiting.size === 0) return
  const ended = stateOf(after)
  const isNews = ended !== 'running' || tenths(before) !== tenths(after)
  if (!isNews) return
  const isInVain = ended === 'failed' || ended === 'cancelled'
  const told = isInVain ? pullOnTheWay(turn, modelId) : operation
  if (told === null && isThere(state, modelId)) return
  const error = errorOf(operation)
  const why = told === null ? null : whyPulling(state, told)
  for (const { jobId, tenantId, pulls } of state.waiting.values()) {
    if (pulls !== modelId) continue
    // Who cancels does so for its own jobs: another's asks again, and has a pull of its own.
    if (why === null && ended === 'cancelled' && tenantId !== operation.tenantId) continue
    if (why === null) turn.order(unavailableId(jobId), { type: 'job.unavailable', jobId, error })
    else turn.effects.push({ type: 'job.waits', jobId, why })
  }
}

/** Why a job waits that waits for a pull; null for any other. */
export function whyWaitingForPull(state: RegistryState, jobId: JobId): string | null {
  const pulls = state.waiting.get(jobId)?.pulls
  const operation = pulls === undefined ? null : openPull(state, pulls, Number.NEGATIVE_INFINITY)
  return operation === null ? null : whyPulling(state, operation)
}

/** The model that would help, and who could hold it, the one with most room first. */
function helping(
  state: RegistryState,
  { requirements, catalogAlternatives }: NoCapableEngine,
  { catalog, settings }: RegistryContext,
): { readonly model: CatalogModel; readonly agents: readonly AgentRecord[] } | null {
  if (!settings.modelsAutoPull) return null
  const ids = new Set(catalogAlternatives.map(({ model_id }) => model_id))
  const helpful = catalog.models.filter(({ id, source }) => ids.has(id) && source.kind === 'hub')
  // Nobody named one: only what the catalog puts in front is worth a download.
  const model = helpful.find(({ id, preferred }) => id === requirements.model_id || preferred)
  if (model === undefined) return null
  const agents = [...state.agents.values()]
    .filter((one) => canHold(one, model))
    .sort((a, b) => (b.hello.models_free_bytes ?? 0) - (a.hello.models_free_bytes ?? 0))
  return agents.length === 0 ? null : { model, agents }
}

/** The first of them that another order may wait on. */
function withRoom(
  state: RegistryState,
  agents: readonly AgentRecord[],
  { settings }: RegistryContext,
): AgentRecord | null {
  return agents.find(({ id }) => !isQueueFull(state, id, settings.modelQueueLimit)) ?? null
}

function unavailableId(jobId: JobId): string {
  return `unavailable:${jobId}`
}

function errorOf({ orders, modelId, isCancelled }: Operation): TaskError {
  if (isCancelled) {
    const message = `The pull of the model ${modelId} was cancelled.`
    return { code: 'model_pull_cancelled', message, retryable: false }
  }
  const cause = Object.values(orders).find(({ error }) => error !== null)?.error
  const message = `The model ${modelId} could not be pulled: ${cause?.message ?? 'nobody says why'}`
  return { code: cause?.code ?? 'model_pull_failed', message: message.slice(0, 2000), retryable: false }
}

/** An agent that is there has announced it. */
function isThere(state: RegistryState, modelId: ModelId): boolean {
  for (const { session, hello } of state.agents.values()) {
    if (session === null) continue
    if (hello.engines.some(({ models }) => models.some(({ id }) => id === modelId))) return true
  }
  return false
}

/** An order of an agent that has been away for long may wait for ever. */
function pullOnTheWay({ state, nowMs, settings }: Turn, modelId: ModelId): Operation | null {
  return openPull(state, modelId, nowMs - settings.offlineMs)
}

/** Of agents that are connected, or were at that time. */
function openPull(state: RegistryState, modelId: ModelId, sinceMs: number): Operation | null {
  const isAround = (agentId: AgentId) => {
    const agent = state.agents.get(agentId)
    return agent !== undefined && (agent.session !== null || agent.lastSeenMs >= sinceMs)
  }
  for (const operation of state.operations.values()) {
    if (operation.action !== 'pull' || operation.modelId !== modelId) continue
    if (stateOf(keptSums(state, operation)) !== 'running') continue
    // The keys of an operation's orders are the ids of its agents.
    const orders = Object.entries(operation.orders) as [AgentId, OrderProgress][]
    if (orders.some(([agentId, order]) => !isFinal(order) && isAround(agentId))) return operation
  }
  return null
}

function whyPulling(state: RegistryState, operation: Operation): string {
  const [agentId] = Object.entries(operation.orders).find(([, order]) => !isFinal(order)) ?? []
  if (agentId === undefined)
    return `the model ${operation.modelId} was pulled, its agent has yet to announce it`
  // The keys of an operation's orders are the ids of its agents.
  const name = state.agents.get(agentId as AgentId)?.name ?? agentId
  const percent = percentOf(keptSums(state, operation))
  const soFar = percent === null ? '' : `: ${percent} %`
  return `the model ${operation.modelId} is being pulled on agent ${name}${soFar}`
}

function tenths(sums: OrderSums): number {
  return Math.floor((percentOf(sums) ?? 0) / 10)
}

/** It is there, has the engine, and as far as anybody knows room on its disk and in its memory. */
function canHold({ session, draining, cordoned, hello }: AgentRecord, model: CatalogModel): boolean {
  if (session === null || draining !== null || cordoned !== null) return false
  if (!hello.engines.some(({ manifest }) => manifest.id === model.engine)) return false
  const sizeBytes = model.files.reduce((sum, { size_bytes }) => sum + (size_bytes ?? 0), 0)
  if (hello.models_free_bytes !== null && hello.models_free_bytes < sizeBytes) return false
  const neededMib = ((model.hardware.min_ram_mb ?? 0) * 1_000_000) / MIB
  return hello.memory_mib === null || hello.memory_mib >= neededMib
}
