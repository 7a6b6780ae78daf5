import type { AgentId } from '#protocol/ids.ts'
import type { Dispatch } from '../dispatch.ts'
import { fits } from '../select.ts'
import { type EngineFit, isAvailable } from './kinds.ts'
import { hasMemory } from './memory.ts'
import { type AgentRecord, heldOf, type RegistryState } from './state.ts'

/**
 * Reasons in words: why a task waits, why an agent got it, and why each other did not. Data for API, CLI and console.
 * A fleet has more agents than a reader wants: the first few are named, the rest are counted.
 */
const MAX_NAMED = 12
const MAX_LENGTH = 900

/** Why a task waits: one reason for each agent. */
export function whyWaiting(state: RegistryState, dispatch: Dispatch): string {
  const { stage } = dispatch
  if (state.agents.size === 0) return `waits for an engine for ${stage}: no agent is there`
  const reasons: string[] = []
  for (const agent of state.agents.values()) {
    if (reasons.length === MAX_NAMED) break
    const problem = problemOf(state, agent, dispatch)
    if (problem === null) return 'is being offered'
    reasons.push(`${agent.name}: ${problem}`)
  }
  return cut(`waits for a free engine for ${stage}: ${joined(reasons, state.agents.size)}`)
}

/** Why this agent got it, and each other not. */
export function whyChosen(
  state: RegistryState,
  dispatch: Dispatch,
  agentId: AgentId,
  { engine, model }: EngineFit,
): string {
  const name = state.agents.get(agentId)?.name ?? agentId
  const merits: string[] = []
  const chosen = { agentId, engine, model }
  if (model?.loaded === true) merits.push(`${model.id} is loaded`)
  if (state.lastAgent.get(dispatch.jobId) === agentId) merits.push('it has the recording')
  if (merits.length === 0) merits.push('it is free')
  const others: string[] = []
  for (const other of state.agents.values()) {
    if (other.id === agentId) continue
    if (others.length === MAX_NAMED) break
    others.push(
      `${other.name}: ${problemOf(state, other, dispatch) ?? shortOf(state, other, dispatch, chosen)}`,
    )
  }
  const reason = `${name}: ${merits.join(', ')}`
  return others.length === 0 ? reason : cut(`${reason}. Not ${joined(others, state.agents.size - 1)}`)
}

/** Why an agent cannot take the task now; null when it could. */
export function problemOf(state: RegistryState, agent: AgentRecord, dispatch: Dispatch): string | null {
  if (agent.session === null) return 'offline'
  if (agent.draining !== null) return `draining (${agent.draining})`
  if (agent.cordoned !== null) return `drained by the operator (${agent.cordoned})`
  const reasons: string[] = []
  for (const engine of agent.hello.engines) {
    const fit = fits(dispatch.requirements, engine)
    if (!fit.fits) reasons.push(`${engine.manifest.id} ${fit.reason}`)
    else if (heldOf(state, agent.id, engine.manifest.id) >= engine.slots) {
      reasons.push(`${engine.manifest.id} is busy`)
    } else if (!hasMemory(state, agent.id, { engine, model: fit.model })) {
      reasons.push(`${engine.manifest.id} has no memory left beside what runs`)
    } else return busyOrQuiet(state, agent)
  }
  return reasons.length === 0 ? 'has no engines' : reasons.join(', ')
}

function busyOrQuiet(state: RegistryState, agent: AgentRecord): string | null {
  const { slots } = agent.hello
  if (heldOf(state, agent.id, null) >= slots) return `no free slot (${slots} of ${slots} taken)`
  if (isAvailable(agent)) return null
  return agent.missedAtMs > 0 ? 'did not answer the last offer' : 'declined the last offer'
}

interface Chosen extends EngineFit {
  readonly agentId: AgentId
}

/** What an agent that could as well comes short of, beside the one that was chosen. */
function shortOf(state: RegistryState, agent: AgentRecord, dispatch: Dispatch, chosen: Chosen): string {
  const { avoid, preferredEngineId, requirements, jobId } = dispatch
  const fitting = agent.hello.engines.flatMap((engine) => {
    const fit = fits(requirements, engine)
    return fit.fits ? [{ id: engine.manifest.id, model: fit.model }] : []
  })
  const isPreferred = chosen.engine.manifest.id === preferredEngineId
  if (avoid.includes(agent.id) && !avoid.includes(chosen.agentId)) return 'it failed this task before'
  if (chosen.model?.embedded !== true && fitting.every(({ model }) => model?.embedded === true)) {
    return 'it has the embedded model only'
  }
  if (isPreferred && !fitting.some(({ id }) => id === preferredEngineId)) {
    return `it has no ${preferredEngineId}`
  }
  if (chosen.model?.loaded === true && !fitting.some(({ model }) => model?.loaded === true)) {
    return `${chosen.model.id} is not loaded`
  }
  if (state.lastAgent.get(jobId) === chosen.agentId) return 'it does not have the recording'
  return `no better (${heldOf(state, agent.id, null)} of ${agent.hello.slots} slots taken)`
}

function joined(reasons: readonly string[], total: number): string {
  const more = total - reasons.length
  return reasons.join('; ') + (more > 0 ? `; and ${more} more` : '')
}

function cut(text: string): string {
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH - 1)}…` : text
}
