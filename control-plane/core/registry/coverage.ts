import type { AgentId, TaskId } from '#protocol/ids.ts'
import type { Requirements, TaskError } from '#protocol/task.ts'
import { alternatives } from '../alternatives.ts'
import type { Dispatch } from '../dispatch.ts'
import { lastSeenMs, NO_PONGS, type Pongs, presentAgent } from './presence.ts'
import { classOf, type RegistryState, requirementsOf } from './state.ts'
import { lostId, type Turn } from './turn.ts'

/**
 * Whether all that waits can still run. What no engine that is there could run is given up, as soon as its job says: at
 * once, or after so long. Since when nobody is there follows from agents and tasks, so that an eviction begins nothing
 * anew.
 */

/** So many tasks are given up in one step: each is a call to its Job. */
const GIVEN_UP_AT_ONCE = 500

/** Looks whether all that waits can still run, and gives up what cannot for too long. */
export function checkCoverage(turn: Turn, pongs: Pongs): void {
  const { state } = turn
  state.coverageCheckMs = null
  for (const key of [...state.queues.keys()]) {
    const requirements = requirementsOf(state, key)
    if (requirements === null) continue
    const untilMs = coveredUntilMs(turn, key, requirements, pongs)
    if (untilMs === null) checkUncovered(turn, key, requirements, pongs)
    else {
      state.uncovered.delete(key)
      lookAgainBy(turn, untilMs + 1)
    }
  }
}

/** A task came: should nobody be there who could run it, it is given up, or begins to wait. */
export function watchCoverage(turn: Turn, dispatch: Dispatch): void {
  const key = classOf(dispatch)
  const untilMs = coveredUntilMs(turn, key, dispatch.requirements, NO_PONGS)
  const firstEndMs = turn.state.uncovered.get(key)
  if (untilMs !== null) lookAgainBy(turn, untilMs + 1)
  else if (firstEndMs === undefined) lookAgainBy(turn, turn.nowMs)
  else endBy(turn, key, Math.min(firstEndMs, dispatch.queuedAtMs + dispatch.patienceMs))
}

/** An agent is no longer known at all, so it was never there. */
export function watchRevocation(turn: Turn): void {
  turn.state.uncovered.clear()
  if (turn.state.queues.size > 0) lookAgainBy(turn, turn.nowMs)
}

function lookAgainBy({ state }: Turn, atMs: number): void {
  state.coverageCheckMs = Math.min(state.coverageCheckMs ?? Number.POSITIVE_INFINITY, atMs)
}

function endBy(turn: Turn, key: string, atMs: number): void {
  turn.state.uncovered.set(key, atMs)
  lookAgainBy(turn, atMs)
}

/** Its tasks are looked through only when one of them is to be given up. */
function checkUncovered(turn: Turn, key: string, requirements: Requirements, pongs: Pongs): void {
  const { state, nowMs, settings } = turn
  const firstEndMs = state.uncovered.get(key) ?? nowMs
  if (firstEndMs > nowMs) {
    lookAgainBy(turn, firstEndMs)
    return
  }
  const goneMs = lastSeen(state, key, requirements, pongs) + settings.offlineMs
  const over: TaskId[] = []
  let nextEndMs = Number.POSITIVE_INFINITY
  for (const taskId of state.queues.get(key) ?? []) {
    const endMs = endMsOf(state.placements.get(taskId)?.dispatch, goneMs)
    if (endMs > nowMs) nextEndMs = Math.min(nextEndMs, endMs)
    else if (over.length < GIVEN_UP_AT_ONCE) over.push(taskId)
    else {
      nextEndMs = nowMs
      break
    }
  }
  const error = noCapableEngine(turn, requirements)
  for (const taskId of over) giveUp(turn, taskId, error)
  if (nextEndMs < Number.POSITIVE_INFINITY) endBy(turn, key, nextEndMs)
}

/** A task is given up when nobody has been there for as long as its job waits; who comes later waits from then on. */
function endMsOf(dispatch: Dispatch | undefined, goneMs: number): number {
  if (dispatch === undefined) return Number.POSITIVE_INFINITY
  return Math.max(dispatch.queuedAtMs, goneMs) + dispatch.patienceMs
}

function giveUp(turn: Turn, taskId: TaskId, error: TaskError): void {
  const dispatch = turn.state.placements.get(taskId)?.dispatch
  if (dispatch === undefined) return
  const { jobId, fence } = dispatch
  turn.end(taskId, fence)
  turn.order(lostId(taskId, fence), { type: 'job.lost', jobId, taskId, fence, counted: false, error })
}

function noCapableEngine({ state, context }: Turn, requirements: Requirements): TaskError {
  const { stage, engine_id, model_id } = requirements
  const running = [...state.kinds].flatMap(({ engines }) => engines.map(({ manifest }) => manifest))
  const [first] = alternatives(requirements, context.catalog, new Set(running.map(({ id }) => id)))
  const isThere = running.some(
    ({ id, stages, needs_model }) => needs_model && stages.includes(stage) && (engine_id ?? id) === id,
  )
  const lacksModel = model_id !== null && isThere
  const pull = lacksModel ? `dalston models pull ${model_id}` : null
  const command = first?.command ?? pull
  const lost = lacksModel
    ? `No agent has the model ${model_id} any more: it was removed, or its files are not what they were (the agent's log says which).`
    : `No engine that can run ${stage} as asked is there any more.`
  const message = `${lost}${command === null ? '' : ` What helps: ${command}`}`
  return { code: 'no_capable_engine', message, retryable: false }
}

/** Somebody who could run the class is there, and counts so until then, should he be silent from now on; null: nobody. */
function coveredUntilMs(turn: Turn, key: string, requirements: Requirements, pongs: Pongs): number | null {
  const { offlineMs } = turn.settings
  for (const kind of turn.state.kinds) {
    if (kind.fitting(key, requirements).length === 0) continue
    const agentId = presentAgent(turn.state, kind, pongs, turn.nowMs - offlineMs)
    if (agentId !== null) return lastSeenMs(turn.state, agentId, pongs) + offlineMs
  }
  return null
}

/** When somebody who could run the class was last heard of; never: before every task. */
function lastSeen(state: RegistryState, key: string, requirements: Requirements, pongs: Pongs): number {
  const seenMs = (agentId: AgentId) => lastSeenMs(state, agentId, pongs)
  let latestMs = Number.NEGATIVE_INFINITY
  for (const kind of state.kinds) {
    if (kind.fitting(key, requirements).length === 0) continue
    for (const agentId of kind.agents) latestMs = Math.max(latestMs, seenMs(agentId))
  }
  return latestMs
}
