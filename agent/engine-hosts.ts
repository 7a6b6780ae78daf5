import { EngineHost, type HostOptions } from './engine-host.ts'
import type { EngineList } from './engine-list.ts'

type SharedOptions = Omit<HostOptions, 'engine' | 'onModel'>

/**
 * All engine children of this agent. An engine has one child; with more slots than one it gets another when all of its
 * children are busy. Knows which models lie in memory.
 */
export class EngineHosts {
  readonly #engines: EngineList
  readonly #options: SharedOptions
  readonly #onLoadedChanged: () => void
  readonly #lanes = new Map<string, { readonly host: EngineHost; modelId: string | null }[]>()

  constructor(engines: EngineList, options: SharedOptions, onLoadedChanged: () => void) {
    this.#engines = engines
    this.#options = options
    this.#onLoadedChanged = onLoadedChanged
  }

  /** An idle host of this engine, best one that holds the model. */
  idle(engineId: string, modelId: string | null): EngineHost {
    const lanes = this.#lanes.get(engineId) ?? []
    this.#lanes.set(engineId, lanes)
    const free = lanes.filter((lane) => !lane.host.busy)
    const best = free.find((lane) => lane.modelId === modelId) ?? free[0]
    if (best !== undefined) return best.host
    const engine = this.#engines.find(({ manifest }) => manifest.id === engineId)
    if (engine === undefined) throw new Error(`this agent has no engine ${engineId}`)
    const lane = {
      modelId: null as string | null,
      host: new EngineHost({
        ...this.#options,
        engine,
        onModel: (id) => {
          if (lane.modelId === id) return
          lane.modelId = id
          this.#onLoadedChanged()
        },
      }),
    }
    lanes.push(lane)
    return lane.host
  }

  /** Starts a child of each engine, so that the first task does not wait for a process. */
  warm(engineIds: readonly string[]): void {
    for (const engineId of engineIds) this.idle(engineId, null).start()
  }

  loadedModels(): ReadonlySet<string> {
    const ids = [...this.#lanes.values()]
      .flat()
      .flatMap((lane) => (lane.modelId === null ? [] : [lane.modelId]))
    return new Set(ids)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#lanes.values()].flat().map((lane) => lane.host.stop()))
  }
}
