import type { AgentView } from '#protocol/api.ts'
import type { Pool } from '#protocol/ids.ts'
import type { RegistryState } from './state.ts'
import { agentStatus, engineDepths, type Looking, stageDepths } from './views.ts'

/** Numbers for /metrics. Pure. */
export interface Gauges {
  readonly stageDepths: readonly { readonly stage: string; readonly depth: number }[]
  readonly engineDepths: readonly { readonly engine: string; readonly depth: number }[]
  /** By Prometheus name, labels included. */
  readonly counters: readonly { readonly name: string; readonly value: number }[]
  readonly statuses: readonly AgentView['status'][]
  readonly held: number
  readonly waitingJobs: number
}

/** Of a caller: the jobs of their tenant, and the registry of their pool. */
export interface Measurements extends Gauges {
  readonly pool: Pool
  readonly jobs: readonly { readonly status: string; readonly count: number }[]
}

export function gaugesOf(state: RegistryState, looking: Looking): Gauges {
  let held = 0
  for (const taskIds of state.held.values()) held += taskIds.size
  return {
    stageDepths: Array.from(stageDepths(state), ([stage, depth]) => ({ stage, depth })),
    engineDepths: Array.from(engineDepths(state), ([engine, depth]) => ({ engine, depth })),
    counters: Array.from(state.counters, ([name, value]) => ({ name, value })),
    statuses: [...state.agents.values()].map((agent) => agentStatus(agent, looking)),
    held,
    waitingJobs: state.waiting.size,
  }
}
