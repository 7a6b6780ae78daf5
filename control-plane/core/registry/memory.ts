import type { AgentId } from '#protocol/ids.ts'
import type { EngineFit } from './kinds.ts'
import { heldBy, type RegistryState } from './state.ts'

/**
 * Whether an agent can have the model in memory beside what its running tasks use. Models that only lie there do not
 * count: the agent drops them. A task that is alone may always try.
 */
export function hasMemory(state: RegistryState, agentId: AgentId, wanted: EngineFit): boolean {
  const agent = state.agents.get(agentId)
  const budgetMib = agent?.hello.memory_mib ?? null
  if (agent === undefined || budgetMib === null) return true
  const inUse = new Map<string, number>()
  for (const placement of heldBy(state, agentId)) {
    if (placement.at === 'queued') continue
    const engine = agent.hello.engines.find(({ manifest }) => manifest.id === placement.engineId)
    const model = engine?.models.find(({ id }) => id === placement.modelId) ?? null
    if (engine !== undefined) inUse.set(nameOf({ engine, model }), memoryMib({ engine, model }))
  }
  if (inUse.size === 0 || inUse.has(nameOf(wanted))) return true
  let usedMib = memoryMib(wanted)
  for (const mib of inUse.values()) usedMib += mib
  return usedMib <= budgetMib
}

function memoryMib({ engine, model }: EngineFit): number {
  return model?.memory_mib ?? engine.manifest.hardware.memory_mib
}

function nameOf({ engine, model }: EngineFit): string {
  return `${engine.manifest.id}/${model?.id ?? ''}`
}
