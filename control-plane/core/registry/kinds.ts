import type { AnnouncedEngine } from '#protocol/engine.ts'
import type { AgentId, EngineId } from '#protocol/ids.ts'
import type { Requirements } from '#protocol/task.ts'
import { type Fit, fits } from '../select.ts'
import { IndexedSet } from '../structures/indexed-set.ts'
import type { AgentRecord } from './state.ts'

/**
 * Agents that announce the same engines are of one kind: what they can run is worked out once for all of them, and who
 * of them is free stands in an index. Thousands of agents are a few kinds, so a choice costs what the kinds cost.
 */
export class Kind {
  readonly engines: readonly AnnouncedEngine[]
  readonly agents = new IndexedSet<AgentId>()
  /** Agents that take another task of an engine, by how many more they take. */
  readonly #free = new Map<EngineId, Map<number, IndexedSet<AgentId>>>()
  readonly #fits = new Map<string, readonly EngineFit[]>()

  constructor(engines: readonly AnnouncedEngine[]) {
    this.engines = engines
  }

  /** The engines that meet the requirements, each with the model that it would use. */
  fitting(classKey: string, requirements: Requirements): readonly EngineFit[] {
    const known = this.#fits.get(classKey)
    if (known !== undefined) return known
    const fitting = this.engines.flatMap((engine): EngineFit[] => {
      const fit = fits(requirements, engine)
      return fit.fits ? [{ engine, model: fit.model }] : []
    })
    if (this.#fits.size >= MAX_REMEMBERED_CLASSES) this.#fits.clear()
    this.#fits.set(classKey, fitting)
    return fitting
  }

  /** Moves an agent from one place of the index to another; null: it is not in it, or leaves it. */
  move(agentId: AgentId, engineId: EngineId, from: number | null, to: number | null): void {
    if (from === to) return
    const byFree = this.#free.get(engineId) ?? new Map<number, IndexedSet<AgentId>>()
    this.#free.set(engineId, byFree)
    if (from !== null) {
      byFree.get(from)?.delete(agentId)
      if (byFree.get(from)?.size === 0) byFree.delete(from)
    }
    if (to === null) return
    const agents = byFree.get(to) ?? new IndexedSet<AgentId>()
    byFree.set(to, agents)
    agents.add(agentId)
  }

  hasFree(engineId: EngineId): boolean {
    return (this.#free.get(engineId)?.size ?? 0) > 0
  }

  /** Free agents of an engine, the least loaded first. */
  *freeAgents(engineId: EngineId): Iterable<AgentId> {
    const byFree = this.#free.get(engineId)
    if (byFree === undefined) return
    for (const free of [...byFree.keys()].sort((a, b) => b - a)) yield* byFree.get(free) ?? []
  }
}

export interface EngineFit {
  readonly engine: AnnouncedEngine
  readonly model: Extract<Fit, { fits: true }>['model']
}

const MAX_REMEMBERED_CLASSES = 1_000

/** Every agent of a pool by its kind. */
export class Kinds {
  readonly #kinds = new Map<string, Kind>()
  readonly #places = new Map<AgentId, AgentPlace>()

  of(agentId: AgentId): Kind | null {
    return this.#places.get(agentId)?.kind ?? null
  }

  [Symbol.iterator](): Iterator<Kind> {
    return this.#kinds.values()
  }

  /** How many more tasks of an engine the agent takes. */
  freeSlots(agentId: AgentId, engineId: EngineId): number {
    return this.#places.get(agentId)?.free.get(engineId) ?? 0
  }

  /** Puts the agent where it belongs; `heldOf` is how many tasks of an engine it holds, `null` stands for all engines. */
  place(agent: AgentRecord, heldOf: (engineId: EngineId | null) => number): void {
    const place = this.#placeOf(agent)
    const { kind, free } = place
    const left = isAvailable(agent) ? agent.hello.slots - heldOf(null) : 0
    for (const { manifest, slots } of kind.engines) {
      const more = Math.min(left, left > 0 ? slots - heldOf(manifest.id) : 0)
      const to = more > 0 ? more : null
      kind.move(agent.id, manifest.id, free.get(manifest.id) ?? null, to)
      if (to === null) free.delete(manifest.id)
      else free.set(manifest.id, to)
    }
  }

  remove(agentId: AgentId): void {
    const place = this.#places.get(agentId)
    if (place === undefined) return
    for (const [engineId, free] of place.free) place.kind.move(agentId, engineId, free, null)
    place.kind.agents.delete(agentId)
    this.#places.delete(agentId)
    if (place.kind.agents.size === 0) this.#kinds.delete(place.name)
  }

  #placeOf(agent: AgentRecord): AgentPlace {
    const known = this.#places.get(agent.id)
    if (known !== undefined && known.engines === agent.hello.engines) return known
    const name = JSON.stringify(agent.hello.engines)
    if (known?.name === name) {
      known.engines = agent.hello.engines
      return known
    }
    this.remove(agent.id)
    const kind = this.#kinds.get(name) ?? new Kind(agent.hello.engines)
    this.#kinds.set(name, kind)
    kind.agents.add(agent.id)
    const place = { name, kind, engines: agent.hello.engines, free: new Map<EngineId, number>() }
    this.#places.set(agent.id, place)
    return place
  }
}

interface AgentPlace {
  readonly name: string
  readonly kind: Kind
  /** The announcement that the kind was worked out from. */
  engines: readonly AnnouncedEngine[]
  readonly free: Map<EngineId, number>
}

/** Whether the agent is asked at all now. */
export function isAvailable(agent: AgentRecord): boolean {
  return (
    agent.session !== null && agent.draining === null && agent.cordoned === null && agent.quietUntilMs === 0
  )
}
