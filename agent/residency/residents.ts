import { type Answer, abortErrorOf, type EngineHost } from '../engine-host.ts'
import type { HostedModel } from '../host-messages.ts'
import type { Log } from '../log.ts'
import { Changes, orAborted } from './changes.ts'
import { type Lane, Lanes } from './lanes.ts'
import { type Holder, type Placement, place } from './place.ts'
import { isRetained } from './release.ts'
import type { IdleResident, Needs, Place, Residency } from './residency.ts'
import * as residency from './residency.ts'
import { type IsPinned, nextExpiryMs, outdated, overdue, restingOthers } from './room.ts'

/** What somebody asks for. `model: null`: a child of this engine is enough. */
export interface Asked {
  readonly engineId: string
  readonly model: (HostedModel & { readonly identity: string; readonly needs: Needs }) | null
  readonly keepAliveMs: number
  /** Of a prefetch: it stays so long at least, whatever the keep-alive. */
  readonly leastMs?: number
}

export type Prefetched = Required<Asked>

/** A child that is the asker's own until it is released, with the model loaded. */
export type Acquired = Answer<{ readonly lane: Lane } & Spent>

export interface Spent {
  readonly swapMs: number
  readonly loadMs: number
}

export type Waiting = Extract<Placement, { kind: 'wait' }>['for']

export interface ResidentsOptions {
  readonly budget: residency.Budget
  readonly newHost: (engineId: string, onExit: () => void) => EngineHost
  readonly isPinned: IsPinned
  readonly identityOf: residency.IdentityOf
  /** Models lie in a device's memory, of which a process gives nothing back. */
  readonly isGpu: boolean
  /** What is loaded, or what it was measured to take, has changed. */
  readonly onChanged: () => void
  readonly log: Log
  readonly nowMs: () => number
}

/** The shell round the residency: it owns the children and does what `place` and `room` decide. */
export class Residents {
  readonly #options: ResidentsOptions
  readonly #lanes: Lanes
  readonly #measured = new Map<string, { readonly identity: string; readonly memoryMib: number }>()
  readonly #changes = new Changes()
  #state: Residency
  #timer: NodeJS.Timeout | undefined

  constructor(options: ResidentsOptions) {
    this.#options = options
    this.#lanes = new Lanes(options.newHost, (lane) => this.#exited(lane))
    this.#state = residency.newResidency(options.budget)
  }

  /** Models that a task could run with. */
  get loaded(): ReadonlySet<string> {
    return residency.loadedModels(this.#state, this.#options.identityOf)
  }

  /** What a model was measured to take; null when it was never loaded, or is another one by now. */
  measuredMib(modelId: string): number | null {
    return this.#measuredAs(modelId, this.#options.identityOf(modelId))
  }

  /** Starts a child of this engine, or takes the one that there is. */
  warm(engineId: string): void {
    this.#lanes.warm(engineId)
  }

  /** Waits for a child with the model; `onWait` hears what for. It is the asker's own until it is released. */
  async acquire(asked: Asked, signal: AbortSignal, onWait: (why: Waiting) => void): Promise<Acquired> {
    const spent = { swapMs: 0, loadMs: 0 }
    for (;;) {
      if (signal.aborted) return { ok: false, error: abortErrorOf(signal) }
      const placed = this.#place(asked, 'task')
      switch (placed.kind) {
        case 'refuse':
          return { ok: false, error: placed.error }
        case 'ready':
          return { ok: true, ...spent, lane: this.#take(this.#lanes.get(placed.laneId), asked) }
        case 'load':
          if (asked.model !== null) onWait('load')
          return this.#load(placed, asked, spent, signal)
      }
      onWait(placed.for)
      const startMs = this.#options.nowMs()
      await this.#changes.next(signal)
      const waitedMs = this.#options.nowMs() - startMs
      spent[placed.for === 'load' ? 'loadMs' : 'swapMs'] += waitedMs
    }
  }

  /** Gives the child back; its model rests for its keep-alive. */
  release(lane: Lane): void {
    lane.holder = null
    const used = this.#state.residents.find((one) => one.laneId === lane.id && one.phase.kind === 'in_use')
    if (used !== undefined) this.#state = residency.rested(this.#state, used, this.#options.nowMs())
    this.settle()
  }

  /**
   * Loads a model ahead of its first task, and keeps it for `leastMs` at least. Nothing that is in use or pinned makes way,
   * and it does not wait for memory.
   */
  async prefetch(asked: Prefetched, signal: AbortSignal): Promise<Answer<object>> {
    const { model, keepAliveMs, leastMs } = asked
    if (model === null) return { ok: true }
    for (;;) {
      if (signal.aborted) return { ok: false, error: abortErrorOf(signal) }
      const keep = { keepAliveMs, leastMs, nowMs: this.#options.nowMs() }
      this.#state = residency.prolonged(this.#state, model, keep)
      if (residency.isLoaded(this.#state, model)) return { ok: true }
      const placed = this.#place(asked, 'prefetch')
      if (placed.kind === 'refuse') return { ok: false, error: placed.error }
      if (placed.kind === 'load') return this.#load(placed, asked, NOTHING, signal)
      if (placed.kind === 'wait' && placed.for === 'memory') return { ok: false, error: NO_ROOM }
      await this.#changes.next(signal)
    }
  }

  /** Unloads all models that rest, but for this one. */
  async clearOthers(modelId: string | null, signal: AbortSignal): Promise<void> {
    const resting = restingOthers(this.#state, modelId, this.#options.isPinned)
    await orAborted(Promise.all(resting.map((one) => this.#unload(one, 'out_of_memory'))), signal)
  }

  /** Does what is due: to be called when something changed, pins and the files of models among it. */
  settle(): void {
    const { nowMs, isPinned, identityOf } = this.#options
    for (const one of outdated(this.#state, identityOf)) void this.#unload(one, 'replaced')
    for (const one of overdue(this.#state, isPinned, nowMs())) void this.#unload(one, 'keep_alive')
    clearTimeout(this.#timer)
    const waitMs = nextExpiryMs(this.#state, isPinned) - nowMs()
    if (waitMs < Number.POSITIVE_INFINITY)
      this.#timer = setTimeout(() => this.settle(), Math.min(Math.max(0, waitMs) + 1, MAX_TIMER_MS)).unref()
    this.#changes.tell()
    this.#options.onChanged()
  }

  /** Kills every child. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#lanes.stop()
    clearTimeout(this.#timer)
  }

  async #load(
    { laneId, evict }: Extract<Placement, { kind: 'load' }>,
    asked: Asked,
    spent: Spent,
    signal: AbortSignal,
  ): Promise<Acquired> {
    const { model, leastMs } = asked
    const lane = laneId === null ? this.#lanes.add(asked.engineId) : this.#lanes.get(laneId)
    lane.holder = leastMs === undefined ? 'task' : 'prefetch'
    if (model === null) return { ok: true, ...spent, lane }
    const { nowMs } = this.#options
    const place = { laneId: lane.id, modelId: model.id, identity: model.identity }
    const { keepAliveMs } = asked
    this.#state = residency.claimed(this.#state, { ...place, needs: this.#needs(model), keepAliveMs })
    const startMs = nowMs()
    await orAborted(Promise.all(evict.map((one) => this.#unload(one, 'room'))), signal)
    const loadStartMs = nowMs()
    const { needs: _, identity: _identity, ...hosted } = model
    const answer = await lane.host.load(hosted, signal)
    if (!answer.ok) {
      this.#state = residency.dropped(this.#state, place)
      lane.holder = null
      this.settle()
      return answer
    }
    this.#measure(lane, place, answer)
    if (leastMs === undefined) this.#take(lane, asked)
    else {
      // In the same step: who waits for this load finds the model at rest.
      lane.holder = null
      this.#state = residency.rested(this.#state, place, nowMs(), leastMs)
    }
    this.settle()
    const swapMs = spent.swapMs + loadStartMs - startMs
    return { ok: true, lane, swapMs, loadMs: spent.loadMs + nowMs() - loadStartMs }
  }

  #take(lane: Lane, { model }: Asked): Lane {
    lane.holder = 'task'
    if (model === null) return lane
    const place = { laneId: lane.id, modelId: model.id, identity: model.identity }
    this.#state = residency.used(this.#state, place)
    return lane
  }

  #measure(
    lane: Lane,
    place: Place,
    rss: { readonly rssBeforeMib: number; readonly rssAfterMib: number },
  ): void {
    lane.emptyMib ??= rss.rssBeforeMib
    const tookMib = Math.max(1, rss.rssAfterMib - rss.rssBeforeMib)
    // A load into memory that an earlier model left behind looks cheap: the dearest one counts.
    const memoryMib = Math.max(tookMib, this.#measuredAs(place.modelId, place.identity) ?? 0)
    this.#measured.set(place.modelId, { identity: place.identity, memoryMib })
    this.#state = residency.measured(this.#state, place, memoryMib)
    this.#options.log('model.loaded', {
      model_id: place.modelId,
      engine_id: lane.engineId,
      memory_mib: tookMib,
    })
  }

  /** Memory is free when it resolves: when the child keeps it, the child goes. */
  async #unload(resident: IdleResident, why: string): Promise<void> {
    const { laneId, modelId } = resident
    const lane = this.#lanes.get(laneId)
    this.#state = residency.leaving(this.#state, resident)
    const answer = await lane.host.unload(modelId)
    this.#state = residency.dropped(this.#state, resident)
    const rssMib = answer.ok ? answer.rssMib : null
    const memory = { engine_id: lane.engineId, rss_mib: rssMib, empty_mib: lane.emptyMib }
    this.#options.log('model.unloaded', { model_id: modelId, why, ...memory })
    if (this.#keepsMemory(lane, rssMib)) {
      this.#options.log('engine.retains_memory', memory)
      await lane.host.restart()
    }
    this.settle()
  }

  /** Only of a child that holds nothing else: another model's memory, or a task, is worth more than what is kept. */
  #keepsMemory(lane: Lane, rssMib: number | null): boolean {
    const holds = this.#state.residents.some(
      ({ laneId, phase }) => laneId === lane.id && phase.kind !== 'loading',
    )
    if (holds || lane.host.busy) return false
    if (this.#options.isGpu) return true
    return rssMib === null || lane.emptyMib === null || isRetained(rssMib, lane.emptyMib)
  }

  #exited(lane: Lane): void {
    lane.emptyMib = null
    this.#state = residency.laneDropped(this.#state, lane.id)
    this.settle()
  }

  #place({ engineId, model }: Asked, holder: Holder): Placement {
    const wanted = model === null ? null : { ...model, needs: this.#needs(model) }
    return place({ engineId, model: wanted, holder }, this.#state, this.#lanes.all, this.#options.isPinned)
  }

  #needs(model: NonNullable<Asked['model']>): Needs {
    const memoryMib = this.#measuredAs(model.id, model.identity) ?? model.needs.memoryMib
    return { ...model.needs, memoryMib }
  }

  #measuredAs(modelId: string, identity: string | null): number | null {
    const measured = this.#measured.get(modelId)
    return measured?.identity === identity ? measured.memoryMib : null
  }
}

const NOTHING: Spent = { swapMs: 0, loadMs: 0 }

const NO_ROOM = {
  code: 'memory_in_use',
  message: 'What is in use, or pinned, leaves no room for the model just now.',
  retryable: true,
}

/** A longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1
