import type { AgentId } from '#protocol/ids.ts'
import type { Dispatch } from '../dispatch.ts'
import type { FairQueue } from './fair-queue.ts'
import type { EngineFit, Kind } from './kinds.ts'
import { hasMemory } from './memory.ts'
import { nextTask } from './next-task.ts'
import { speedKey } from './speeds.ts'
import { classOf, type Holder, type RegistryState, requirementsOf } from './state.ts'
import type { Turn } from './turn.ts'
import { whyChosen } from './why.ts'

/**
 * Which agent gets which waiting task. Which task: next-task.ts. Which agent: capable → free slot and memory → did not
 * just fail it → not the embedded model → the engine that selection preferred → model loaded → holds the input artifacts
 * → least loaded.
 */
export function offerWaiting(turn: Turn): void {
  const { state, nowMs, settings } = turn
  const { shares } = state
  const open = new Map<string, FairQueue>()
  for (const [key, queue] of state.queues) if (somebodyIsFree(state, key)) open.set(key, queue)
  const next = () => nextTask(open, { shares, nowMs, agingMs: settings.agingMs })
  for (let found = next(); found !== null; found = next()) {
    const placement = state.placements.get(found.task.taskId)
    const holder = placement === undefined ? null : choose(state, placement.dispatch)
    // Tasks of one class have the same candidates: when the first finds none, the others wait as well.
    if (placement === undefined || holder === null) open.delete(found.key)
    else {
      offer(turn, placement.dispatch, holder)
      for (const key of open.keys()) if (!somebodyIsFree(state, key)) open.delete(key)
    }
  }
}

/** The best holder for a task; null when nobody is free. */
export function choose(state: RegistryState, dispatch: Dispatch): Holder | null {
  const options = ranked(state, dispatch)
  const best = pick(state, dispatch, options, (agentId) => !dispatch.avoid.includes(agentId))
  return best ?? (dispatch.avoid.length === 0 ? null : pick(state, dispatch, options, () => true))
}

export interface Option extends EngineFit {
  readonly kind: Kind
  readonly score: number
}

/** What could run it and has somebody free, best first. */
function ranked(state: RegistryState, dispatch: Dispatch): Option[] {
  const key = classOf(dispatch)
  const options: Option[] = []
  for (const kind of state.kinds) {
    for (const fit of kind.fitting(key, dispatch.requirements)) {
      if (!kind.hasFree(fit.engine.manifest.id)) continue
      options.push({ ...fit, kind, score: scoreOf(fit, dispatch) })
    }
  }
  return options.sort((a, b) => b.score - a.score)
}

function scoreOf({ engine, model }: EngineFit, dispatch: Dispatch): number {
  return (
    (model?.embedded === true ? 0 : 4) +
    (engine.manifest.id === dispatch.preferredEngineId ? 2 : 0) +
    (model?.loaded === true ? 1 : 0)
  )
}

/** Of the options of equal worth the agent that holds the inputs, else the least loaded one. */
function pick(
  state: RegistryState,
  dispatch: Dispatch,
  options: readonly Option[],
  isAllowed: (agentId: AgentId) => boolean,
): Holder | null {
  const near = state.lastAgent.get(dispatch.jobId) ?? null
  const takes = (agentId: AgentId, option: Option) => isAllowed(agentId) && hasMemory(state, agentId, option)
  for (let from = 0; from < options.length; ) {
    const score = options[from]?.score
    const equals = options.slice(from).filter((option) => option.score === score)
    const found = nearest(state, equals, near, takes) ?? leastLoaded(state, equals, takes)
    if (found !== null) return holder(state, dispatch, found.agentId, found.option)
    from += equals.length
  }
  return null
}

type Takes = (agentId: AgentId, option: Option) => boolean

interface Found {
  readonly agentId: AgentId
  readonly option: Option
}

function nearest(
  state: RegistryState,
  options: readonly Option[],
  near: AgentId | null,
  takes: Takes,
): Found | null {
  if (near === null) return null
  for (const option of options) {
    const isThere = state.kinds.of(near) === option.kind
    const isFree = isThere && state.kinds.freeSlots(near, option.engine.manifest.id) > 0
    if (isFree && takes(near, option)) return { agentId: near, option }
  }
  return null
}

/** Each kind names its least loaded agent; of those the one with most free slots. */
function leastLoaded(state: RegistryState, options: readonly Option[], takes: Takes): Found | null {
  let best: (Found & { readonly free: number }) | null = null
  for (const option of options) {
    const engineId = option.engine.manifest.id
    for (const agentId of option.kind.freeAgents(engineId)) {
      const free = state.kinds.freeSlots(agentId, engineId)
      if (best !== null && free <= best.free) break
      if (!takes(agentId, option)) continue
      best = { agentId, option, free }
      break
    }
  }
  return best
}

function holder(state: RegistryState, dispatch: Dispatch, agentId: AgentId, option: Option): Holder {
  return {
    agentId,
    engineId: option.engine.manifest.id,
    modelId: option.model?.id ?? null,
    embeddedModel: option.model?.embedded ?? false,
    why: whyChosen(state, dispatch, agentId, option),
    speed: state.speeds.get(speedKey(dispatch.stage, option.engine, option.model?.id ?? null)) ?? null,
  }
}

function offer(turn: Turn, dispatch: Dispatch, chosen: Holder): void {
  const expiresAtMs = turn.nowMs + turn.settings.offerMs
  turn.offer({ dispatch, at: 'offered', expiresAtMs, ...chosen })
  turn.send(chosen.agentId, {
    type: 'task.offer',
    task_id: dispatch.taskId,
    fence: dispatch.fence,
    stage: dispatch.stage,
    engine_id: chosen.engineId,
    model_id: chosen.modelId,
    expires_at_ms: expiresAtMs,
  })
}

/** Whether looking for an agent can have any success: with all agents busy nothing is compared at all. */
function somebodyIsFree(state: RegistryState, key: string): boolean {
  const requirements = requirementsOf(state, key)
  if (requirements === null) return false
  for (const kind of state.kinds) {
    const fitting = kind.fitting(key, requirements)
    if (fitting.some(({ engine }) => kind.hasFree(engine.manifest.id))) return true
  }
  return false
}
