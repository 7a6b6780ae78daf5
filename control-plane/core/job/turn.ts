import type { JobEvent } from '#protocol/events.ts'
import type { TaskId } from '#protocol/ids.ts'
import { isTerminal } from '#protocol/job.ts'
import type { Change } from '../machine.ts'
import { answered, type Outstanding, post, takeDue } from '../outbox.ts'
import type { CoreSettings } from '../settings.ts'
import type { JobEffect, TrackedEffect } from './effects.ts'
import { eventOf } from './events.ts'
import type { Fact, FactBody } from './facts.ts'
import { fold } from './fold.ts'
import { overallPercent } from './progress.ts'
import type { JobMachineState, JobState, Live, TaskState } from './state.ts'

/** Percent is saved in steps of this size, ahead of what is shown: it never falls, and a job costs 10 rows at most. */
const SAVED_STEP = 10

/**
 * One step of the job machine while it is being decided: collects facts, effects and what must be saved. Pure but for
 * its own fields; it lives for one call of `step`.
 */
export class Turn {
  job: JobState | null
  live: Live
  outbox: JobMachineState['outbox']
  readonly nowMs: number
  readonly settings: CoreSettings
  readonly effects: JobEffect[] = []
  readonly #facts: Fact[] = []
  #hasNewOrders = false
  #hasUnsavedAnswers: boolean
  #overallToSave: number | null = null

  constructor(state: JobMachineState, nowMs: number, settings: CoreSettings) {
    this.job = state.job
    this.live = state.live
    this.outbox = state.outbox
    this.nowMs = nowMs
    this.settings = settings
    this.#hasUnsavedAnswers = state.hasUnsavedAnswers
  }

  /** To the clients, and kept nowhere. */
  publish(event: JobEvent): void {
    this.effects.push({ type: 'publish', seq: null, event })
  }

  /** Append a fact: the state moves on, and the clients hear of it. */
  record(body: FactBody): void {
    const seq = (this.job?.seq ?? 0) + 1
    const draft: Fact = { ...body, seq, atMs: this.nowMs, overall: this.job?.overall ?? 0 }
    const overall = overallPercent(fold(this.job, draft), this.live)
    const fact: Fact = { ...draft, overall }
    this.job = fold(this.job, fact)
    this.#facts.push(fact)
    this.effects.push({ type: 'publish', seq, event: eventOf(fact, this.job, this.live) })
  }

  order(id: string, effect: TrackedEffect): void {
    if (this.outbox.has(id)) return
    this.outbox = post(this.outbox, id, effect, this.nowMs)
    this.#hasNewOrders = true
    this.effects.push({ type: 'tracked', id, effect })
  }

  answered(id: string): void {
    if (!this.outbox.has(id)) return
    this.outbox = answered(this.outbox, id)
    this.#hasUnsavedAnswers = true
  }

  /** Perform again what is unanswered and due. When it is due next lives in memory only: no row is written for it. */
  repeatDue(): void {
    const { outbox, due } = takeDue(this.outbox, this.nowMs)
    this.outbox = outbox
    for (const { id, effect } of due) this.effects.push({ type: 'tracked', id, effect })
  }

  hear(taskId: TaskId): void {
    this.live = { ...this.live, heardMs: new Map(this.live.heardMs).set(taskId, this.nowMs) }
  }

  /** Word of a grant has come, so its enqueue arrived: sent again, it could be granted twice. */
  confirm(taskId: TaskId, fence: number): void {
    this.hear(taskId)
    this.answered(enqueueId(taskId, fence))
  }

  forgetLive(taskId: TaskId): void {
    const { live } = this
    this.live = {
      ...live,
      progress: without(live.progress, taskId),
      seen: without(live.seen, taskId),
      why: without(live.why, taskId),
      progressMs: without(live.progressMs, taskId),
      queueMs: without(live.queueMs, taskId),
      partial: live.partial?.task_id === taskId ? null : live.partial,
    }
  }

  /** Keep the percentage, so that it falls neither when a stage fails nor after an eviction. */
  keepOverall(): void {
    if (this.job === null) return
    const overall = overallPercent(this.job, this.live)
    this.live = { ...this.live, overall }
    if (overall <= Math.max(this.job.overall, this.live.savedOverall)) return
    const savedOverall = Math.min(Math.ceil(overall / SAVED_STEP) * SAVED_STEP, 99)
    this.live = { ...this.live, savedOverall }
    this.#overallToSave = savedOverall
  }

  task(taskId: TaskId): TaskState | null {
    return this.job?.tasks.get(taskId) ?? null
  }

  state(): JobMachineState {
    const hasUnsavedAnswers = this.#hasUnsavedAnswers && !this.#savesOutbox
    return { job: this.job, live: this.live, outbox: this.outbox, hasUnsavedAnswers }
  }

  /** One row for the facts of this step and the outbox after it: rows are billed. */
  changes(): Change[] {
    const changes: Change[] = []
    const first = this.#facts[0]
    const outbox = this.#savesOutbox ? [...this.outbox.values()] : null
    if (first !== undefined) {
      const value: SavedFacts = { facts: this.#facts, outbox }
      changes.push({ kind: 'facts', id: factsId(first.seq), value })
    } else if (outbox !== null) {
      const value: SavedOutbox = { seq: this.job?.seq ?? 0, outbox }
      changes.push({ kind: 'outbox', id: 'all', value })
    }
    if (this.#overallToSave !== null) {
      changes.push({ kind: 'overall', id: 'percent', value: this.#overallToSave })
    }
    return changes
  }

  /**
   * What leaves is saved before it leaves. That it was answered is saved with the next facts, or when the last answer of
   * an ended job has come: until then an eviction costs a repetition, which every peer takes.
   */
  get #savesOutbox(): boolean {
    if (this.#hasNewOrders) return true
    const isAtRest = this.outbox.size === 0 && this.job !== null && isTerminal(this.job.status)
    return this.#hasUnsavedAnswers && (this.#facts.length > 0 || isAtRest)
  }
}

/** A row of the log; `outbox` is what was unanswered after it, null where that did not change. */
export interface SavedFacts {
  readonly facts: readonly Fact[]
  readonly outbox: readonly Outstanding<TrackedEffect>[] | null
}

/** The outbox after a step without facts; it counts when no later facts brought another. */
export interface SavedOutbox {
  readonly seq: number
  readonly outbox: readonly Outstanding<TrackedEffect>[]
}

export function enqueueId(taskId: TaskId, fence: number): string {
  return `enqueue:${taskId}:${fence}`
}

/** Sorts as text in the order of the log. */
function factsId(seq: number): string {
  return String(seq).padStart(9, '0')
}

function without<Value>(map: ReadonlyMap<TaskId, Value>, key: TaskId): ReadonlyMap<TaskId, Value> {
  if (!map.has(key)) return map
  const rest = new Map(map)
  rest.delete(key)
  return rest
}
