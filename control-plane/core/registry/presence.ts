import type { AgentId } from '#protocol/ids.ts'
import type { JobParameters } from '../parameters.ts'
import { choosePipeline, type Kept, type PipelineChoice } from '../pipeline.ts'
import type { RunningEngine } from '../select.ts'
import type { Kind } from './kinds.ts'
import { speedOf } from './speeds.ts'
import type { RegistryState } from './state.ts'
import type { RegistryContext } from './turn.ts'

/**
 * What counts as there: engines of agents that were heard of within the offline interval, connected or not. A restart is
 * not an outage. What follows when nobody is there stands in coverage.ts.
 */

/** When an agent last answered a ping, as far as the shell knows. */
export type Pongs = Pick<ReadonlyMap<AgentId, number>, 'get'>

export const NO_PONGS: Pongs = new Map()

/** Which engines a job would get now. */
export function selectFor(
  state: RegistryState,
  parameters: JobParameters,
  pongs: Pongs,
  nowMs: number,
  { catalog, settings }: RegistryContext,
  kept: Kept | null = null,
): PipelineChoice {
  const running = presentEngines(state, pongs, nowMs, settings.offlineMs)
  return choosePipeline(parameters, running, catalog, { speedOf: (...of) => speedOf(state, ...of), kept })
}

/** One agent stands for all of its kind. */
export function presentEngines(
  state: RegistryState,
  pongs: Pongs,
  nowMs: number,
  offlineMs: number,
): RunningEngine[] {
  const running: RunningEngine[] = []
  for (const kind of state.kinds) {
    const agentId = presentAgent(state, kind, pongs, nowMs - offlineMs)
    if (agentId !== null) running.push(...kind.engines.map((engine) => ({ agentId, engine })))
  }
  return running
}

/** One that was heard of since then. */
export function presentAgent(
  state: RegistryState,
  kind: Kind,
  pongs: Pongs,
  sinceMs: number,
): AgentId | null {
  for (const agentId of kind.agents) {
    if (lastSeenMs(state, agentId, pongs) >= sinceMs) return agentId
  }
  return null
}

/** When the agent was last heard of; a pong counts. */
export function lastSeenMs(state: RegistryState, agentId: AgentId, pongs: Pongs): number {
  return Math.max(state.agents.get(agentId)?.lastSeenMs ?? 0, pongs.get(agentId) ?? 0)
}
