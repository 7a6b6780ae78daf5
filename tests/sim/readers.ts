import { eventsAfter } from '#core/job/events.ts'
import { factsFrom } from '#core/job/load.ts'
import { jobProgress } from '#core/job/progress.ts'
import type { JobMachineState } from '#core/job/state.ts'
import { jobView } from '#core/job/view.ts'
import { foldEvent, isTerminalEvent, type JobEvent, type LiveJob } from '#protocol/events.ts'
import { isTerminal, type JobView } from '#protocol/job.ts'
import { isEqual } from './equal.ts'
import type { JobObject } from './job-object.ts'
import type { World } from './world.ts'

interface Reader {
  seq: number
  live: LiveJob | null
  isConnected: boolean
}

const MOST = 2

/** Clients of one job's event stream: they fold what they get, and what they show must be what the job says. */
export class Readers {
  readonly #world: World
  readonly #object: JobObject
  #readers: Reader[] = []
  #isNews = false

  constructor(world: World, object: JobObject) {
    this.#world = world
    this.#object = object
  }

  /** One that was cut off comes back with its last id; else a new one comes. False when there is no place. */
  come(): boolean {
    const absent = this.#readers.find((reader) => !reader.isConnected)
    if (absent === undefined && this.#readers.length >= MOST) return false
    const state = this.#object.loaded()
    if (state === null || state.job === null) return true
    if (absent !== undefined && isTerminal(state.job.status) && absent.seq === state.job.seq) {
      this.#readers = this.#readers.filter((reader) => reader !== absent)
      return true
    }
    const reader = absent ?? { seq: 0, live: null, isConnected: true }
    if (absent === undefined) this.#readers.push(reader)
    reader.isConnected = true
    this.#begin(reader, state)
    this.#world.count('readers')
    this.check(state)
    return true
  }

  go(): boolean {
    const reader = this.#readers.find(({ isConnected }) => isConnected)
    if (reader === undefined) return false
    reader.isConnected = false
    return true
  }

  leave(): void {
    for (const reader of this.#readers) reader.isConnected = false
  }

  publish(seq: number | null, event: JobEvent): void {
    for (const reader of this.#readers) if (reader.isConnected) this.#take(reader, seq, event)
  }

  /** What a reader shows is the job; reasons for waiting are no events. */
  check({ job, live }: JobMachineState): void {
    if (!this.#isNews || job === null) return
    this.#isNews = false
    const view = jobView(job, live, this.#world.nowMs)
    for (const reader of this.#readers) {
      if (reader.seq !== job.seq || reader.live === null) {
        if (reader.isConnected) this.#violated(`a reader is at ${reader.seq}, the job at ${job.seq}`)
        continue
      }
      const shown = reader.live.job
      if (!isEqual(shownOf(shown), shownOf(view))) this.#violated('a reader shows another job')
      if (shown.progress.overall > view.progress.overall) this.#violated('a reader is ahead of the job')
    }
  }

  /** As objects/job.ts begins a stream: a snapshot, or the events after the last id; then the values without an id. */
  #begin(reader: Reader, { job, live }: JobMachineState): void {
    if (job === null) return
    if (reader.seq === 0 || reader.seq > job.seq) {
      this.#take(reader, job.seq, { type: 'snapshot', job: jobView(job, live, this.#world.nowMs) })
    } else {
      const facts = factsFrom(this.#object.disk.read())
      for (const { seq, event } of eventsAfter(facts, reader.seq)) this.#take(reader, seq, event)
    }
    if (isTerminal(job.status)) return
    const progress = jobProgress(job, live, this.#world.nowMs)
    for (const [task_id, task] of live.progress) {
      const stage = job.tasks.get(task_id)?.plan.stage
      if (stage !== undefined)
        this.#take(reader, null, { type: 'task.progress', task_id, stage, task, progress })
    }
  }

  #take(reader: Reader, seq: number | null, event: JobEvent): void {
    this.#isNews = true
    if (seq !== null) {
      if (event.type !== 'snapshot' && seq !== reader.seq + 1) {
        this.#violated(`a reader got event ${seq} after ${reader.seq}`)
      }
      reader.seq = seq
    }
    const before = reader.live?.job.progress.overall ?? 0
    reader.live = foldEvent(reader.live, event)
    const after = reader.live?.job.progress.overall ?? 0
    if (after < before) this.#violated(`a reader's percent fell from ${before} to ${after}`)
    if (isTerminalEvent(event)) reader.isConnected = false
  }

  #violated(text: string): void {
    this.#world.violated('I6', `${this.#object.name}: ${text}`)
  }
}

function shownOf(view: JobView): unknown {
  const { progress: _progress, why: _why, stages, ...rest } = view
  return { ...rest, stages: stages.map(({ progress: _last, why: _reason, ...stage }) => stage) }
}
