import type { AgentId, JobId, ModelId, OperationId } from '#protocol/ids.ts'
import type { CatalogModel } from '#protocol/model.ts'
import type { TaskError } from '#protocol/task.ts'
import type { NoCapableEngine } from '../select.ts'
import { begin, isFinal, type Operation, operationState } from './operations.ts'
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

const MIB = 1024 ** 2

/** The model that would help and the best agent for it; null: nothing that a pull would mend, or it is not allowed. */
export function pullable(
  state: RegistryState,
  { requirements, catalogAlternatives }: NoCapableEngine,
  { catalog, settings }: RegistryContext,
): Pullable | null {
  if (!settings.modelsAutoPull) return null
  const ids = new Set(catalogAlternatives.map(({ model_id }) => model_id))
  const helping = catalog.models.filter(({ id, source }) => ids.has(id) && source.kind === 'hub')
  // Nobody named one: only what the catalog puts in front is worth a download.
  const model = helping.find(({ id, preferred }) => id === requirements.model_id || preferred)
  if (model === undefined) return null
  const [agent] = [...state.agents.values()]
    .filter((one) => canHold(one, model))
    .sort((a, b) => (b.hello.models_free_bytes ?? 0) - (a.hello.models_free_bytes ?? 0))
  return agent === undefined ? null : { agentId: agent.id, model }
}

/** Has the model pulled for a job on the waiting list, unless that goes on already. */
export function pullFor(turn: Turn, job: WaitingJob, error: NoCapableEngine, operationId: OperationId): void {
  const { state, context } = turn
  if (state.waiting.get(job.jobId)?.pulls !== undefined) return
  const found = pullable(state, error, context)
  if (found === null) return
  const modelId = found.model.id
  turn.wait({ ...job, pulls: modelId })
  if (openPull(state, modelId) !== null) return
  const { tenantId } = job
  begin(turn, { id: operationId, tenantId, action: 'pull', modelId, entry: null, keepAliveSeconds: null }, [
    found.agentId,
  ])
}

/** An operation moved: who waits for its model is told, in steps of ten percent. */
export function tellWaiting(turn: Turn, before: Operation, after: Operation): void {
  if (after.action !== 'pull') return
  const ended = operationState(after)
  const isNews = ended !== 'running' || tenths(before) !== tenths(after)
  if (!isNews) return
  for (const { jobId, pulls } of turn.state.waiting.values()) {
    if (pulls !== after.modelId) continue
    if (ended === 'failed') giveUp(turn, jobId, after)
    else turn.effects.push({ type: 'job.waits', jobId, why: whyPulling(turn.state, after) })
  }
}

/** Why a job waits that waits for a pull; null for any other. */
export function whyWaitingForPull(state: RegistryState, jobId: JobId): string | null {
  const pulls = state.waiting.get(jobId)?.pulls
  const operation = pulls === undefined ? null : openPull(state, pulls)
  return operation === null ? null : whyPulling(state, operation)
}

function giveUp(turn: Turn, jobId: JobId, { orders, modelId }: Operation): void {
  const cause = Object.values(orders).find(({ error }) => error !== null)?.error
  const message = `The model ${modelId} could not be pulled: ${cause?.message ?? 'nobody says why'}`
  const error: TaskError = {
    code: cause?.code ?? 'model_pull_failed',
    message: message.slice(0, 2000),
    retryable: false,
  }
  turn.order(`unavailable:${jobId}`, { type: 'job.unavailable', jobId, error })
}

function openPull(state: RegistryState, modelId: ModelId): Operation | null {
  for (const ids of state.openOrders.values()) {
    for (const id of ids) {
      const operation = state.operations.get(id)
      if (operation?.action === 'pull' && operation.modelId === modelId) return operation
    }
  }
  return null
}

function whyPulling(state: RegistryState, operation: Operation): string {
  const [agentId] = Object.entries(operation.orders).find(([, order]) => !isFinal(order)) ?? []
  // The keys of an operation's orders are the ids of its agents.
  const name = agentId === undefined ? 'an agent' : (state.agents.get(agentId as AgentId)?.name ?? agentId)
  const percent = percentOf(operation)
  const soFar = percent === null ? '' : `: ${percent} %`
  return `the model ${operation.modelId} is being pulled on agent ${name}${soFar}`
}

function tenths(operation: Operation): number {
  return Math.floor((percentOf(operation) ?? 0) / 10)
}

function percentOf({ orders }: Operation): number | null {
  let [done, total] = [0, 0]
  for (const { bytes_done, bytes_total } of Object.values(orders)) {
    if (bytes_total === null) return null
    done += bytes_done
    total += bytes_total
  }
  return total === 0 ? null : Math.floor((100 * done) / total)
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
