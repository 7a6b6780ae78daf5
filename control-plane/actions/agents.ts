import type { AgentView, DrainAgent } from '#protocol/api.ts'
import type { AgentId } from '#protocol/ids.ts'
import * as rows from '#store/agents.ts'
import type { Bindings } from '../env.ts'
import { notFound, ProblemError } from '../problem-error.ts'
import type { Caller } from './caller.ts'

/**
 * What a tenant may do with its agents. D1 says whose an agent is and whether it still is one, the pool's registry how it
 * does. Another tenant's, or one of another pool, does not exist.
 */
export async function listAgents(env: Bindings, caller: Caller): Promise<AgentView[]> {
  const [ids, views] = await Promise.all([rows.listAgentIds(env.DB, caller), viewsOf(env, caller)])
  const own = new Set(ids)
  return views.filter((view) => own.has(view.id))
}

export async function readAgent(env: Bindings, caller: Caller, agentId: AgentId): Promise<AgentView> {
  const [row, views] = await Promise.all([rows.readAgent(env.DB, caller, agentId), viewsOf(env, caller)])
  if (row === null) throw notFound('agent')
  return views.find((view) => view.id === agentId) ?? neverSeen(row)
}

/** Takes it out of service; what it runs goes on. */
export async function drainAgent(
  env: Bindings,
  caller: Caller,
  agentId: AgentId,
  { reason, leave }: DrainAgent,
): Promise<AgentView> {
  await expectOwn(env, caller, agentId)
  const registry = registryOf(env, caller)
  const isThere = leave ? await registry.dismiss(agentId, reason) : await registry.cordon(agentId, reason)
  if (!isThere) throw away()
  return readAgent(env, caller, agentId)
}

/** Puts it back into service. */
export async function undrainAgent(env: Bindings, caller: Caller, agentId: AgentId): Promise<AgentView> {
  await expectOwn(env, caller, agentId)
  if (!(await registryOf(env, caller).cordon(agentId, null))) throw away()
  return readAgent(env, caller, agentId)
}

/**
 * Revokes its credential for good: first in D1, so that it cannot come back while its socket is cut. Again it does the
 * same: an earlier try may have ended between the two.
 */
export async function removeAgent(env: Bindings, caller: Caller, agentId: AgentId): Promise<void> {
  if (!(await rows.revokeAgent(env.DB, caller, agentId, Date.now()))) throw notFound('agent')
  await registryOf(env, caller).revoke(agentId)
}

async function expectOwn(env: Bindings, caller: Caller, agentId: AgentId): Promise<void> {
  if ((await rows.readAgent(env.DB, caller, agentId)) === null) throw notFound('agent')
}

function away(): ProblemError {
  return new ProblemError(
    'conflict',
    'This agent has not connected, or not for a week: there is nothing to drain. Its credential is good until DELETE.',
  )
}

/** The registry knows those that connected, and forgets who has been away for a week. */
function neverSeen({ id, name, pool }: rows.AgentRow): AgentView {
  const unknown = { version: null, platform: null, connected_at: null, last_seen_at: null }
  const nothing = { slots: 0, running_tasks: 0, engines: [] }
  return { id, name, pool, status: 'offline', why: 'not connected', ...unknown, ...nothing }
}

function viewsOf(env: Bindings, caller: Caller): Promise<AgentView[]> {
  return registryOf(env, caller).agents(caller.pool)
}

function registryOf(env: Bindings, { pool }: Caller) {
  return env.REGISTRY.getByName(`pool:${pool}`)
}
