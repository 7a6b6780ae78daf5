import type { Measurements } from '#core/registry/gauges.ts'
import { modelViews } from '#core/registry/model-views.ts'
import { ackOf } from '#core/registry/tasks.ts'
import type { EngineView, Health, ModelView } from '#protocol/api.ts'
import { jobIdOf, Pool, type TaskId } from '#protocol/ids.ts'
import { nearest } from '#protocol/nearest.ts'
import type { Stage } from '#protocol/stage.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import { type AgentRow, isRevoked } from '#store/agents.ts'
import { countByStatus, poolOfJob } from '#store/jobs.ts'
import { catalog } from '../catalog.ts'
import type { Bindings } from '../env.ts'
import { ProblemError } from '../problem-error.ts'
import type { Caller } from './caller.ts'

export const VERSION = '0.1.0'

/** What runs, and what could. */
export async function listEngines(env: Bindings, caller: Caller): Promise<EngineView[]> {
  return registryOf(env, caller.pool).engines()
}

/** One engine on every agent that hosts it. */
export async function readEngine(env: Bindings, caller: Caller, engineId: string): Promise<EngineView[]> {
  const engines = await listEngines(env, caller)
  const hosts = engines.filter((engine) => engine.engine_id === engineId)
  if (hosts.length > 0) return hosts
  const ids = [...new Set(engines.map((engine) => engine.engine_id))].sort()
  const known = ids.length === 0 ? 'No agent has announced one yet.' : `Expected one of: ${ids.join(', ')}.`
  throw new ProblemError('not_found', `There is no engine "${engineId.slice(0, 100)}". ${known}`)
}

/** Null: all. */
export interface ModelFilter {
  readonly engineId: string | null
  readonly stage: Stage | null
}

/** The catalog, and what agents have besides: models of their owners' own. */
export async function listModels(
  env: Bindings,
  caller: Caller,
  { engineId, stage }: ModelFilter = { engineId: null, stage: null },
): Promise<ModelView[]> {
  return modelViews(catalog.models, await listEngines(env, caller))
    .filter((model) => engineId === null || model.engine === engineId)
    .filter((model) => stage === null || model.stage === stage)
}

/** By id or alias. */
export async function readModel(env: Bindings, caller: Caller, name: string): Promise<ModelView> {
  const models = await listModels(env, caller)
  const found = models.find(({ id, aliases }) => id === name || aliases.some((alias) => alias === name))
  if (found !== undefined) return found
  const near = nearest(
    name,
    models.map(({ id }) => id),
  )
  throw new ProblemError(
    'not_found',
    `There is no model "${name.slice(0, 100)}".${near === undefined ? '' : ` Did you mean ${near}?`}`,
  )
}

/**
 * An agent's socket; null for an agent that was revoked while it came in: whoever cut its sockets may have missed this one.
 * The registry trusts these two headers, so they are set here and nowhere else.
 */
export async function connectAgent(
  env: Bindings,
  agent: AgentRow,
  request: Request,
): Promise<Response | null> {
  const headers = new Headers(request.headers)
  headers.delete('authorization')
  headers.set('x-dalston-agent-id', agent.id)
  headers.set('x-dalston-agent-name', encodeURIComponent(agent.name))
  const registry = registryOf(env, agent.pool)
  const response = await registry.fetch(new Request(request, { headers }))
  if (!(await isRevoked(env.DB, agent.id))) return response
  await registry.revoke(agent.id)
  return null
}

export async function acceptResult(
  env: Bindings,
  agent: AgentRow,
  result: { readonly taskId: TaskId; readonly fence: number; readonly outcome: TaskOutcome },
): Promise<ReturnType<typeof ackOf>> {
  const jobId = jobIdOf(result.taskId)
  const pool = await poolOfJob(env.DB, jobId)
  if (pool !== agent.pool) return 'gone'
  const { taskId, fence, outcome } = result
  return ackOf(await registryOf(env, agent.pool).result(agent.id, taskId, fence, outcome, jobId))
}

export async function checkHealth(env: Bindings): Promise<Health> {
  const [d1, r2, agents] = await Promise.all([
    works(env.DB.prepare('SELECT 1').first()),
    works(env.BUCKET.head('health')),
    registryOf(env, Pool.parse('default'))
      .agents(Pool.parse('default'))
      .catch(() => null),
  ])
  const registry = agents === null ? 'failed' : 'ok'
  const isHealthy = d1 === 'ok' && r2 === 'ok' && registry === 'ok'
  const online = agents?.filter((agent) => agent.status === 'online').length ?? null
  return {
    status: isHealthy ? 'healthy' : 'unhealthy',
    version: VERSION,
    checks: { d1, r2, registry },
    agents_online: online,
  }
}

export async function measure(env: Bindings, caller: Caller): Promise<Measurements> {
  const { tenantId, pool } = caller
  const [jobs, gauges] = await Promise.all([countByStatus(env.DB, tenantId), registryOf(env, pool).gauges()])
  return { pool, jobs, ...gauges }
}

function registryOf(env: Bindings, pool: Pool) {
  return env.REGISTRY.getByName(`pool:${pool}`)
}

async function works(call: Promise<unknown>): Promise<'ok' | 'failed'> {
  return call.then(
    () => 'ok' as const,
    () => 'failed' as const,
  )
}
