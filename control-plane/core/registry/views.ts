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
      const running = runningTasks(state, agent, engine.manifest.id)
      return {
        ...engine,
        engine_id: engine.manifest.id,
        agent_id: agent.id,
        agent_name: agent.name,
        status: engineStatus(
          agentStatus(agent, looking),
          heldOf(state, agent.id, engine.manifest.id) >= engine.slots,
        ),
        running_tasks: running,
        active_sessions: 0,
        queued_tasks: queuedTasks(state, engine),
      }
    }),
  )
}

/** Waiting tasks by stage. */
export function queueDepths(state: RegistryState): ReadonlyMap<string, number> {
  const depths = new Map<string, number>()
  for (const [queue, taskIds] of state.queues) {
    const stage = queue.slice(0, queue.indexOf('|'))
    depths.set(stage, (depths.get(stage) ?? 0) + taskIds.size)
  }
  return depths
}

export function agentStatus(agent: AgentRecord, { nowMs, pongs, settings }: Looking): AgentView['status'] {
  const silentMs = nowMs - lastSeenMs(agent, pongs)
  if (agent.session === null || silentMs > settings.offlineMs) return 'offline'
  if (agent.draining !== null || agent.cordoned !== null) return 'draining'
  return silentMs > settings.suspectMs ? 'suspect' : 'online'
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
