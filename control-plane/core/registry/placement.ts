import type { AgentId } from '#protocol/ids.ts'
import type { Dispatch } from '../dispatch.ts'
import { type Head, isMoreUrgent } from './fair-queue.ts'
import type { EngineFit, Kind } from './kinds.ts'
import { hasMemory } from './memory.ts'
import { classOf, type Holder, type RegistryState, requirementsOf } from './state.ts'
import type { Turn } from './turn.ts'
import { whyChosen } from './why.ts'

/**
 * Which agent gets which waiting task. Which task: the most urgent head of all classes (fair-queue.ts). Which agent:
 * capable → free slot and memory → did not just fail it → not the embedded model → the engine that selection preferred →
 * model loaded → holds the input artifacts → least loaded.
 */
export function offerWaiting(turn: Turn): void {
  const { state, nowMs, settings } = turn
  if (state.queues.size === 0) return
  const heads = new Map<string, Head>()
  const look = (key: string) => {
    const head = state.queues.get(key)?.head(state.shares, nowMs, settings.agingMs) ?? null
    if (head === null) heads.delete(key)
    else heads.set(key, head)
  }
  for (const key of state.queues.keys()) if (somebodyIsFree(state, key)) look(key)
  for (let next = mostUrgent(heads); next !== null; next = mostUrgent(heads)) {
    const [key, { taskId }] = next
    const placement = state.placements.get(taskId)
    const holder = placement === undefined ? null : choose(state, placement.dispatch)
    // Tasks of one class have the same candidates: when the first finds none, the others wait as well.
    if (placement === undefined || holder === null) heads.delete(key)
    else {
      offer(turn, placement.dispatch, holder)
      look(key)
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
  let equals: Option[] = []
  const fromEquals = () => {
    for (const option of equals) {
      if (near === null || state.kinds.of(near) !== option.kind) continue
      const isFree = state.kinds.freeSlots(near, option.engine.manifest.id) > 0
      if (isFree && isAllowed(near) && hasMemory(state, near, option)) {
        return holder(state, dispatch, near, option)
      }
    }
    for (const option of equals) {
      for (const agentId of option.kind.freeAgents(option.engine.manifest.id)) {
        if (isAllowed(agentId) && hasMemory(state, agentId, option))
          return holder(state, dispatch, agentId, option)
      }
    }
    return null
  }
  for (const option of options) {
    if (equals[0] !== undefined && equals[0].score !== option.score) {
      const found = fromEquals()
      if (found !== null) return found
      equals = []
    }
    equals.push(option)
  }
  return fromEquals()
}

function holder(state: RegistryState, dispatch: Dispatch, agentId: AgentId, option: Option): Holder {
  return {
    agentId,
    engineId: option.engine.manifest.id,
    modelId: option.model?.id ?? null,
    embeddedModel: option.model?.embedded ?? false,
    why: whyChosen(state, dispatch, agentId, option),
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

function mostUrgent(heads: ReadonlyMap<string, Head>): readonly [string, Head] | null {
  let best: readonly [string, Head] | null = null
  for (const entry of heads) {
    if (best === null || isMoreUrgent(entry[1].urgency, best[1].urgency)) best = entry
  }
  return best
}
