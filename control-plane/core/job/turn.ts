import type { TaskId } from '#protocol/ids.ts'
import type { Change } from '../machine.ts'
import { post } from '../outbox.ts'
import type { JobEffect, TrackedEffect } from './effects.ts'
import { eventOf } from './events.ts'
import type { Fact, FactBody } from './facts.ts'
import { fold } from './fold.ts'
import { overallPercent } from './progress.ts'
import type { JobMachineState, JobState, Live, TaskState } from './state.ts'

/** A saved percentage may be this old: what an eviction can take back is small, and rows are billed. */
const SAVE_OVERALL_MS = 30_000

/**
 * One step of the job machine while it is being decided: collects facts, effects and what must be saved. Pure but for
 * its own fields; it lives for one call of `step`.
 */
export class Turn {
  job: JobState | null
  live: Live
  outbox: JobMachineState['outbox']
  readonly nowMs: number
  readonly effects: JobEffect[] = []
  readonly #before: JobMachineState
  readonly #facts: Fact[] = []
  #overallToSave: number | null = null

  constructor(state: JobMachineState, nowMs: number) {
    this.#before = state
    this.job = state.job
    this.live = state.live
    this.outbox = state.outbox
    this.nowMs = nowMs
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
    this.effects.push({ type: 'tracked', id, effect })
  }

  /** Note that a task was heard of, and forget what only held for an older grant. */
  hear(taskId: TaskId): void {
    this.live = { ...this.live, heardMs: new Map(this.live.heardMs).set(taskId, this.nowMs) }
  }

  forgetLive(taskId: TaskId): void {
    const { live } = this
    this.live = {
      ...live,
      progress: without(live.progress, taskId),
      seen: without(live.seen, taskId),
      why: without(live.why, taskId),
      partial: live.partial?.task_id === taskId ? null : live.partial,
    }
  }

  /** Keep the percentage now and then, so that it does not fall after an eviction. */
  keepOverall(): void {
    if (this.job === null || this.nowMs - this.live.savedOverallAtMs < SAVE_OVERALL_MS) return
    this.#overallToSave = overallPercent(this.job, this.live)
    this.live = { ...this.live, savedOverallAtMs: this.nowMs }
    this.job = { ...this.job, overall: Math.max(this.job.overall, this.#overallToSave) }
  }

  task(taskId: TaskId): TaskState | null {
    return this.job?.tasks.get(taskId) ?? null
  }

  state(): JobMachineState {
    return { job: this.job, live: this.live, outbox: this.outbox }
  }

  /** One row for the facts of this step, one for the outbox: rows are billed. */
  changes(): Change[] {
    const changes: Change[] = []
    const first = this.#facts[0]
    if (first !== undefined) changes.push({ kind: 'facts', id: factsId(first.seq), value: this.#facts })
    if (this.outbox !== this.#before.outbox) {
      changes.push({ kind: 'outbox', id: 'all', value: [...this.outbox.values()] })
    }
    if (this.#overallToSave !== null) {
      changes.push({ kind: 'overall', id: 'percent', value: this.#overallToSave })
    }
    return changes
  }
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
