import type { AgentId } from '#protocol/ids.ts'
import type { Dispatch } from '../dispatch.ts'
import { fits } from '../select.ts'
import { OFFER_MS } from './intervals.ts'
import type { AgentRecord, Holder, RegistryState } from './state.ts'
import type { Turn } from './turn.ts'

/**
 * Which agent gets which waiting task: capable → free slot → not the embedded model → model loaded → holds the input artifacts → least loaded.
 * The reason for waiting is data that API, CLI and console show.
 */
interface Candidate extends Holder {
  readonly score: number
}

/** Offer waiting tasks to free agents until one of the two runs out. */
export function offerWaiting(turn: Turn): void {
  // Not copied: a queue may be long, and taking members out of a set while walking it is safe.
  for (const taskIds of turn.state.queues.values()) {
    for (const taskId of taskIds) {
      const placement = turn.state.placements.get(taskId)
      if (placement?.at !== 'queued') continue
      const candidate = best(turn.state, placement.dispatch, turn.nowMs)
      // Tasks of one class have the same candidates: when the first finds none, the others wait as well.
      if (candidate === null) break
      offer(turn, placement.dispatch, candidate)
    }
  }
}

/** Why a task waits: one reason for each agent. */
export function whyWaiting(state: RegistryState, dispatch: Dispatch): string {
  const { stage } = dispatch
  if (state.agents.size === 0) return `waits for an engine for ${stage}: no agent is there`
  const reasons: string[] = []
  for (const agent of state.agents.values()) {
    const problem = problemOf(state, agent, dispatch)
    if (problem !== null) reasons.push(`${agent.name}: ${problem}`)
  }
  if (reasons.length < state.agents.size) return 'is being offered'
  return `waits for a free engine for ${stage}: ${reasons.join('; ')}`.slice(0, 500)
}

/** How many more tasks an agent takes. */
export function freeSlots(state: RegistryState, agent: AgentRecord): number {
  return (agent.session === null ? 0 : agent.hello.slots) - (state.held.get(agent.id)?.size ?? 0)
}

function best(state: RegistryState, dispatch: Dispatch, nowMs: number): Candidate | null {
  let winner: Candidate | null = null
  for (const agent of state.agents.values()) {
    if (agent.session === null || agent.draining !== null || agent.quietUntilMs > nowMs) continue
    if (freeSlots(state, agent) <= 0) continue
    for (const engine of agent.hello.engines) {
      const fit = fits(dispatch.requirements, engine)
      if (!fit.fits || heldOf(state, agent.id, engine.manifest.id) >= engine.slots) continue
      const holdsInputs = state.lastAgent.get(dispatch.jobId) === agent.id
      const score =
        (fit.model?.embedded === true ? 0 : 100_000) +
        (fit.model?.loaded === true ? 10_000 : 0) +
        (holdsInputs ? 1_000 : 0) +
        Math.min(freeSlots(state, agent), 999)
      if (winner !== null && winner.score >= score) continue
      winner = {
        agentId: agent.id,
        engineId: engine.manifest.id,
        modelId: fit.model?.id ?? null,
        embeddedModel: fit.model?.embedded ?? false,
        score,
      }
    }
  }
  return winner
}

function offer(turn: Turn, dispatch: Dispatch, candidate: Candidate): void {
  const { score: _score, ...holder } = candidate
  const expiresAtMs = turn.nowMs + OFFER_MS
  turn.offer({ dispatch, at: 'offered', expiresAtMs, ...holder })
  turn.send(holder.agentId, {
    type: 'task.offer',
    task_id: dispatch.taskId,
    fence: dispatch.fence,
    stage: dispatch.stage,
    engine_id: holder.engineId,
    model_id: holder.modelId,
    expires_at_ms: expiresAtMs,
  })
}

function problemOf(state: RegistryState, agent: AgentRecord, dispatch: Dispatch): string | null {
  if (agent.session === null) return 'offline'
  if (agent.draining !== null) return `draining (${agent.draining})`
  if (agent.quietUntilMs > 0) {
    return agent.missedAtMs > 0 ? 'did not answer the last offer' : 'declined the last offer'
  }
  const reasons: string[] = []
  for (const engine of agent.hello.engines) {
    const fit = fits(dispatch.requirements, engine)
    if (!fit.fits) reasons.push(`${engine.manifest.id} ${fit.reason}`)
    else if (heldOf(state, agent.id, engine.manifest.id) >= engine.slots)
      reasons.push(`${engine.manifest.id} is busy`)
    else {
      const { slots } = agent.hello
      return freeSlots(state, agent) > 0 ? null : `no free slot (${slots} of ${slots} taken)`
    }
  }
  return reasons.length === 0 ? 'has no engines' : reasons.join(', ')
}

function heldOf(state: RegistryState, agentId: AgentId, engineId: string): number {
  let count = 0
  for (const taskId of state.held.get(agentId) ?? []) {
    const placement = state.placements.get(taskId)
    if (placement !== undefined && placement.at !== 'queued' && placement.engineId === engineId) count++
  }
  return count
}
