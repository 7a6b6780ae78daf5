import type { AgentView, EngineStatus, EngineView } from '#protocol/api.ts'
import type { Pool } from '#protocol/ids.ts'
import { fits, type RunningEngine } from '../select.ts'
import { OFFLINE_MS, SUSPECT_MS } from './intervals.ts'
import type { AgentRecord, RegistryState } from './state.ts'

/** The registry as API and console see it. Pure; agents are judged by when they were last seen. */
export function agentViews(state: RegistryState, pool: Pool, nowMs: number): AgentView[] {
  return [...state.agents.values()].map((agent) => ({
    id: agent.id,
    name: agent.name,
    pool,
    status: agentStatus(agent, nowMs),
    version: agent.hello.version,
    platform: agent.hello.platform,
    slots: agent.hello.slots,
    running_tasks: state.held.get(agent.id)?.size ?? 0,
    engines: agent.hello.engines.map((engine) => engine.manifest.id),
    connected_at: agent.session === null ? null : new Date(agent.session.connectedAtMs).toISOString(),
    last_seen_at: new Date(agent.lastSeenMs).toISOString(),
  }))
}

export function engineViews(state: RegistryState, nowMs: number): EngineView[] {
  return [...state.agents.values()].flatMap((agent) =>
    agent.hello.engines.map((engine) => {
      const running = runningTasks(state, agent, engine.manifest.id)
      return {
        ...engine,
        engine_id: engine.manifest.id,
        agent_id: agent.id,
        agent_name: agent.name,
        status: engineStatus(agentStatus(agent, nowMs), running >= engine.slots),
        running_tasks: running,
        active_sessions: 0,
        queued_tasks: queuedTasks(state, engine),
      }
    }),
  )
}

/**
 * The engines that selection counts as there: of agents that are connected, or were within the last minute (a restart
 * is not an outage). An agent whose socket closed longer ago is out.
 */
export function presentEngines(state: RegistryState, nowMs: number): RunningEngine[] {
  return [...state.agents.values()].flatMap((agent) => {
    if (nowMs - agent.lastSeenMs > OFFLINE_MS) return []
    return agent.hello.engines.map((engine) => ({ agentId: agent.id, engine }))
  })
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

export function agentStatus(agent: AgentRecord, nowMs: number): AgentView['status'] {
  if (agent.session === null || nowMs - agent.lastSeenMs > OFFLINE_MS) return 'offline'
  if (agent.draining !== null) return 'draining'
  return nowMs - agent.lastSeenMs > SUSPECT_MS ? 'suspect' : 'online'
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
  for (const taskIds of state.queues.values()) {
    const [taskId] = taskIds
    const first = taskId === undefined ? undefined : state.placements.get(taskId)
    if (first !== undefined && fits(first.dispatch.requirements, engine).fits) count += taskIds.size
  }
  return count
}
