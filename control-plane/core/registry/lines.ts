import type { TaskId } from '#protocol/ids.ts'
import type { Priority } from '#protocol/job.ts'
import { Fifo } from '../structures/fifo.ts'

/** What decides when a task is next. */
export interface Waiting {
  readonly taskId: TaskId
  readonly share: string
  readonly priority: Priority
  readonly queuedAtMs: number
  /** What its recording is taken to cost. */
  readonly workMs: number
}

/**
 * The tasks of one key that wait in one class with one priority: a line for each power of two that their lengths have,
 * and which head has the highest response ratio. That question is asked of every class whenever an agent becomes free, so
 * what it compares lies side by side.
 */
export class Lines {
  readonly #lengths: number[] = []
  readonly #lines: Fifo<Waiting>[] = []
  /** Of each line's head. */
  readonly #queuedAtMs: number[] = []
  readonly #workMs: number[] = []

  get isEmpty(): boolean {
    return this.#lines.length === 0
  }

  push(task: Waiting): void {
    const index = this.#indexFor(task)
    this.#lines[index]?.push(task)
    this.#look(index)
  }

  unshift(task: Waiting): void {
    const index = this.#indexFor(task)
    this.#lines[index]?.unshift(task)
    this.#look(index)
  }

  remove(task: Waiting): void {
    const index = this.#lengths.indexOf(lengthClass(task))
    const line = this.#lines[index]
    if (line?.remove(task) !== true) return
    if (line.size > 0) this.#look(index)
    else for (const column of this.#columns()) column.splice(index, 1)
  }

  mostUrgent(nowMs: number): Waiting | null {
    let best = 0
    for (let index = 1; index < this.#lines.length; index++) {
      if (this.#isMoreUrgent(index, best, nowMs)) best = index
    }
    return this.#lines[best]?.first() ?? null
  }

  *[Symbol.iterator](): Iterator<Waiting> {
    for (const line of this.#lines) yield* line
  }

  #isMoreUrgent(a: number, b: number, nowMs: number): boolean {
    return isMoreUrgent(this.#head(a), this.#head(b), nowMs)
  }

  #head(index: number): Pick<Waiting, 'queuedAtMs' | 'workMs'> {
    return { queuedAtMs: this.#queuedAtMs[index] ?? 0, workMs: this.#workMs[index] ?? 1 }
  }

  #indexFor(task: Waiting): number {
    const length = lengthClass(task)
    const index = this.#lengths.indexOf(length)
    if (index >= 0) return index
    this.#queuedAtMs.push(0)
    this.#workMs.push(0)
    this.#lines.push(new Fifo())
    return this.#lengths.push(length) - 1
  }

  #look(index: number): void {
    const head = this.#lines[index]?.first() ?? null
    if (head === null) return
    this.#queuedAtMs[index] = head.queuedAtMs
    this.#workMs[index] = head.workMs
  }

  #columns(): unknown[][] {
    return [this.#lengths, this.#lines, this.#queuedAtMs, this.#workMs]
  }
}

type Head = Pick<Waiting, 'queuedAtMs' | 'workMs'>

/** Of one key: the higher response ratio; of equals who came first, of those who came at once the shorter. */
export function isMoreUrgent(a: Head, b: Head, nowMs: number): boolean {
  const ratio = responseRatio(a, nowMs) - responseRatio(b, nowMs)
  if (ratio !== 0) return ratio > 0
  return a.queuedAtMs === b.queuedAtMs ? a.workMs < b.workMs : a.queuedAtMs < b.queuedAtMs
}

function responseRatio({ queuedAtMs, workMs }: Head, nowMs: number): number {
  return (Math.max(0, nowMs - queuedAtMs) + workMs) / workMs
}

function lengthClass({ workMs }: Waiting): number {
  return Math.floor(Math.log2(Math.max(1, workMs)))
}
