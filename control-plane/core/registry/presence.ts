import type { AgentId } from '#protocol/ids.ts'
import type { Requirements } from '#protocol/task.ts'
import { alternatives } from '../alternatives.ts'
import type { Dispatch } from '../dispatch.ts'
import type { JobParameters } from '../parameters.ts'
import { choosePipeline, type PipelineChoice } from '../pipeline.ts'
import type { RunningEngine } from '../select.ts'
import type { Kind } from './kinds.ts'
import { classOf, type RegistryState, requirementsOf } from './state.ts'
import { lostId, type RegistryContext, type Turn } from './turn.ts'

/**
 * What counts as there: engines of agents that were heard of within the offline interval, connected or not. A restart is
 * not an outage; after it what nobody can run is given up, or waits as long as its job said.
 */

/** When an agent last answered a ping, as far as the shell knows. */
export type Pongs = Pick<ReadonlyMap<AgentId, number>, 'get'>

/** Which engines a job would get now. */
export function selectFor(
  state: RegistryState,
  parameters: JobParameters,
  pongs: Pongs,
  nowMs: number,
  { catalog, settings }: RegistryContext,
): PipelineChoice {
  return choosePipeline(parameters, presentEngines(state, pongs, nowMs, settings.offlineMs), catalog)
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

/** Looks whether all that waits can still run, and gives up what cannot for too long. */
export function checkCoverage(turn: Turn, pongs: Pongs): void {
  const { state, nowMs, settings } = turn
  if (state.queues.size === 0) {
    state.coverageCheckMs = null
    return
  }
  state.coverageCheckMs = null
  lookAgainBy(turn, nowMs + settings.offlineMs)
  for (const key of [...state.queues.keys()]) {
    const requirements = requirementsOf(state, key)
    if (requirements === null) continue
    if (isCovered(turn, key, requirements, pongs)) state.uncovered.delete(key)
    else {
      if (!state.uncovered.has(key)) state.uncovered.set(key, nowMs)
      giveUp(turn, key)
    }
  }
}

/** A task came: should nobody be there who could run it, it is given up, or begins to wait. */
export function watchCoverage(turn: Turn, dispatch: Dispatch): void {
  const isThere = isCovered(turn, classOf(dispatch), dispatch.requirements, NO_PONGS)
  lookAgainBy(turn, isThere ? turn.nowMs + turn.settings.offlineMs : turn.nowMs)
}

/** An agent went: once its time as present is over, others may have to be given up. */
export function watchAbsence(turn: Turn): void {
  if (turn.state.queues.size > 0) lookAgainBy(turn, turn.nowMs + turn.settings.offlineMs + 1)
}

const NO_PONGS: Pongs = new Map()

function lookAgainBy({ state }: Turn, atMs: number): void {
  state.coverageCheckMs = Math.min(state.coverageCheckMs ?? Number.POSITIVE_INFINITY, atMs)
}

function giveUp(turn: Turn, key: string): void {
  const { state, nowMs } = turn
  const sinceMs = state.uncovered.get(key) ?? nowMs
  for (const taskId of [...(state.queues.get(key) ?? [])]) {
    const placement = state.placements.get(taskId)
    if (placement === undefined || placement.at !== 'queued') continue
    const { dispatch } = placement
    const endMs = sinceMs + dispatch.patienceMs
    if (nowMs < endMs) {
      lookAgainBy(turn, endMs)
      continue
    }
    turn.end(taskId, dispatch.fence)
    turn.order(lostId(taskId, dispatch.fence), {
      type: 'job.lost',
      jobId: dispatch.jobId,
      taskId,
      fence: dispatch.fence,
      counted: false,
      error: {
        code: 'no_capable_engine',
        message: sentenceOf(turn, dispatch.requirements),
        retryable: false,
      },
    })
  }
}

function isCovered(turn: Turn, key: string, requirements: Requirements, pongs: Pongs): boolean {
  const sinceMs = turn.nowMs - turn.settings.offlineMs
  for (const kind of turn.state.kinds) {
    if (kind.fitting(key, requirements).length === 0) continue
    if (presentAgent(turn.state, kind, pongs, sinceMs) !== null) return true
  }
  return false
}

function presentAgent(state: RegistryState, kind: Kind, pongs: Pongs, sinceMs: number): AgentId | null {
  for (const agentId of kind.agents) {
    const agent = state.agents.get(agentId)
    if (agent !== undefined && Math.max(agent.lastSeenMs, pongs.get(agentId) ?? 0) >= sinceMs) return agentId
  }
  return null
}

function sentenceOf({ context }: Turn, requirements: Requirements): string {
  const [first] = alternatives(requirements, context.catalog)
  const help = first === undefined ? '' : ` Start one: ${first.command}`
  return `No engine that can run ${requirements.stage} as asked is there any more.${help}`
}
