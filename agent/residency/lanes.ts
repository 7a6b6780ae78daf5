import type { EngineHost } from '../engine-host.ts'
import type { Holder, LaneView } from './place.ts'

/** A child, and who has it to itself. */
export interface Lane extends LaneView {
  readonly host: EngineHost
  holder: Holder | null
  /** What the child took before its first load; null until it has loaded something. */
  emptyMib: number | null
}

/** The children of all engines. A child that is gone leaves its lane, and the next order there gets a fresh one. */
export class Lanes {
  readonly #newHost: (engineId: string, onExit: () => void) => EngineHost
  readonly #onExit: (lane: Lane) => void
  readonly #lanes: Lane[] = []

  constructor(newHost: (engineId: string, onExit: () => void) => EngineHost, onExit: (lane: Lane) => void) {
    this.#newHost = newHost
    this.#onExit = onExit
  }

  get all(): readonly Lane[] {
    return this.#lanes
  }

  get(id: number): Lane {
    const lane = this.#lanes[id]
    if (lane === undefined) throw new Error(`expected a child ${id}, there are ${this.#lanes.length}`)
    return lane
  }

  add(engineId: string): Lane {
    const host = this.#newHost(engineId, () => {
      lane.emptyMib = null
      this.#onExit(lane)
    })
    const lane: Lane = { id: this.#lanes.length, engineId, host, holder: null, emptyMib: null }
    this.#lanes.push(lane)
    return lane
  }

  /** Starts a child of this engine, unless there is one. */
  warm(engineId: string): void {
    const lane = this.#lanes.find((one) => one.engineId === engineId) ?? this.add(engineId)
    lane.host.start()
  }

  /** Kills every child. */
  async stop(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.host.stop()))
  }
}
