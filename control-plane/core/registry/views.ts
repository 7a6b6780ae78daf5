import type { AgentView, EngineStatus, EngineView } from '#protocol/api.ts'
import type { Pool } from '#protocol/ids.ts'
import { fits, type RunningEngine } from '../select.ts'
import type { CoreSettings } from '../settings.ts'
import type { Pongs } from './presence.ts'
import { type AgentRecord, heldOf, type RegistryState, requirementsOf } from './state.ts'

/** The registry as API and console see it. Pure; agents are judged by when they were last seen. */
export interface Looking {
  readonly nowMs: number
  readonly pongs: Pongs
  readonly settings: CoreSettings
}

export function agentViews(state: RegistryState, pool: Pool, looking: Looking): AgentView[] {
  return [...state.agents.values()].map((agent) => ({
    id: agent.id,
    name: agent.name,
    pool,
    status: agentStatus(agent, looking),
    why: agentWhy(agent, looking),
    version: agent.hello.version,
    platform: agent.hello.platform,
    slots: agent.hello.slots,
    running_tasks: state.held.get(agent.id)?.size ?? 0,
    engines: agent.hello.engines.map((engine) => engine.manifest.id),
    connected_at: agent.session === null ? null : new Date(agent.session.connectedAtMs).toISOString(),
    last_seen_at: new Date(lastSeenMs(agent, looking.pongs)).toISOString(),
  }))
}

export function engineViews(state: RegistryState, looking: Looking): EngineView[] {
  return [...state.agents.values()].flatMap((agent) =>
    agent.hello.engines.map((engine) => {
      const full = whyFull(state, agent, engine)
      return {
        ...engine,
        engine_id: engine.manifest.id,
        agent_id: agent.id,
        agent_name: agent.name,
        status: engineStatus(agentStatus(agent, looking), full !== null),
        why: agentWhy(agent, looking) ?? full,
        running_tasks: runningTasks(state, agent, engine.manifest.id),
        active_sessions: 0,
        queued_tasks: queuedTasks(state, engine),
      }
    }),
  )
}

/** Waiting tasks by stage. */
export function stageDepths(state: RegistryState): ReadonlyMap<string, number> {
  const depths = new Map<string, number>()
  for (const [key, queue] of state.queues) {
    const stage = requirementsOf(state, key)?.stage
    if (stage !== undefined) depths.set(stage, (depths.get(stage) ?? 0) + queue.size)
  }
  return depths
}

/** Waiting tasks by each engine that could run them; one that several could run counts for each. */
export function engineDepths(state: RegistryState): ReadonlyMap<string, number> {
  const depths = new Map<string, number>()
  for (const [key, queue] of state.queues) {
    const requirements = requirementsOf(state, key)
    if (requirements === null) continue
    const engines = new Set<string>()
    for (const kind of state.kinds) {
      for (const { engine } of kind.fitting(key, requirements)) engines.add(engine.manifest.id)
    }
    for (const engine of engines) depths.set(engine, (depths.get(engine) ?? 0) + queue.size)
  }
  return depths
}

export function agentStatus(agent: AgentRecord, { nowMs, pongs, settings }: Looking): AgentView['status'] {
  const silentMs = nowMs - lastSeenMs(agent, pongs)
  if (agent.session === null || silentMs > settings.offlineMs) return 'offline'
  if (agent.draining !== null || agent.cordoned !== null) return 'draining'
  return silentMs > settings.suspectMs ? 'suspect' : 'online'
}

/** Why an agent is not online, in words. */
function agentWhy(agent: AgentRecord, looking: Looking): string | null {
  const reasons = [whyAbsent(agent, looking), whyOutOfService(agent)].filter((reason) => reason !== null)
  return reasons.length === 0 ? null : reasons.join('; ')
}

function whyAbsent(agent: AgentRecord, { nowMs, pongs, settings }: Looking): string | null {
  const { session, draining } = agent
  if (session === null)
    return draining === null ? 'not connected' : `not connected, it was draining (${draining})`
  const silentMs = nowMs - lastSeenMs(agent, pongs)
  return silentMs > settings.suspectMs ? `not heard of for ${Math.floor(silentMs / 1000)} s` : null
}

function whyOutOfService({ cordoned, draining, session }: AgentRecord): string | null {
  const isLeaving = draining !== null && session !== null
  if (cordoned === null) return isLeaving ? `draining (${draining})` : null
  return `drained by the operator (${cordoned})${isLeaving ? ', and leaving' : ''}`
}

/** A task takes a slot of its engine and one of its agent. */
function whyFull(state: RegistryState, agent: AgentRecord, engine: RunningEngine['engine']): string | null {
  if (heldOf(state, agent.id, engine.manifest.id) >= engine.slots) return taken(engine.slots, 'its')
  const { slots } = agent.hello
  return heldOf(state, agent.id, null) >= slots ? taken(slots, "its agent's") : null
}

function taken(slots: number, whose: string): string {
  return slots === 1 ? `${whose} slot is taken` : `all of ${whose} ${slots} slots are taken`
}

function lastSeenMs(agent: AgentRecord, pongs: Pongs): number {
  return Math.max(agent.lastSeenMs, pongs.get(agent.id) ?? 0)
}

function engineStatus(agent: AgentView['status'], isFull: boolean): EngineStatus {
  if (agent === 'offline' || agent === 'draining') return agent
  if (agent === 'suspect') return 'unhealthy'
  return isFull ? 'busy' : 'ready'
}

function runningTasks(state: RegistryState, agent: AgentRecord, engineId: string): number {
  let count = 0
  for (const taskId of state.held.get(agent.id) ?? []) {
    const placement = state.placements.get(taskId)
    if (placement?.at === 'granted' && placement.engineId === engineId) count++
  }
  return count
}

function queuedTasks(state: RegistryState, engine: RunningEngine['engine']): number {
  let count = 0
  for (const [key, queue] of state.queues) {
    const requirements = requirementsOf(state, key)
    if (requirements !== null && fits(requirements, engine).fits) count += queue.size
  }
  return count
}
