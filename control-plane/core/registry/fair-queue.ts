import type { TaskId } from '#protocol/ids.ts'
import type { Priority } from '#protocol/job.ts'
import { Deadlines } from '../structures/deadlines.ts'
import { Fifo } from '../structures/fifo.ts'
import type { Shares } from './shares.ts'

/**
 * The waiting tasks of one requirement class: which of each priority would be next by fair share, and which waits longest
 * (next-task.ts decides between priorities and classes). Pure data; every operation takes the same time however many
 * tasks wait (it grows with the number of keys that have any).
 *
 * Of a priority the key goes first that had the least work done (shares.ts), and of that key the task with the highest
 * response ratio, (waited + work) / work: short work does not stand behind long work, and long work does not wait for
 * ever, unless its own key brings more short work than is done (Brinch Hansen, 1971). Tasks whose lengths share a power
 * of two go in the order of arrival.
 */
export interface Waiting {
  readonly taskId: TaskId
  readonly share: string
  readonly priority: Priority
  readonly queuedAtMs: number
  readonly workMs: number
}

/** The highest first. */
export const PRIORITIES: readonly Priority[] = ['high', 'normal', 'low']

export class FairQueue {
  readonly #levels: Readonly<Record<Priority, Level>> = {
    high: new Level(),
    normal: new Level(),
    low: new Level(),
  }
  readonly #tasks = new Map<TaskId, Waiting>()

  get size(): number {
    return this.#tasks.size
  }

  has(taskId: TaskId): boolean {
    return this.#tasks.has(taskId)
  }

  push(task: Waiting): void {
    this.#tasks.set(task.taskId, task)
    this.#levels[task.priority].push(task)
  }

  /** A task that was offered in vain goes back to where it stood. */
  unshift(task: Waiting): void {
    this.#tasks.set(task.taskId, task)
    this.#levels[task.priority].unshift(task)
  }

  remove(taskId: TaskId): void {
    const task = this.#tasks.get(taskId)
    if (task === undefined) return
    this.#tasks.delete(taskId)
    this.#levels[task.priority].remove(task)
  }

  /** Of a priority the task that is next by fair share; null when it has none. */
  fairest(priority: Priority, shares: Shares, nowMs: number): Waiting | null {
    const level = this.#levels[priority]
    const share = shares.least(level.shares())
    let best: Waiting | null = null
    for (const task of share === null ? [] : level.heads(share)) {
      if (best === null || isMoreUrgent(task, best, nowMs)) best = task
    }
    return best
  }

  /** Of a priority the task that has waited longest; null when it has none. */
  oldest(priority: Priority): Waiting | null {
    const taskId = this.#levels[priority].oldest()
    return taskId === null ? null : (this.#tasks.get(taskId) ?? null)
  }

  /** One of them, whichever: all have the same requirements. */
  sample(): TaskId | null {
    for (const priority of PRIORITIES) {
      const taskId = this.#levels[priority].oldest()
      if (taskId !== null) return taskId
    }
    return null
  }

  *[Symbol.iterator](): Iterator<TaskId> {
    for (const priority of PRIORITIES) yield* this.#levels[priority].taskIds()
  }
}

/** The tasks of one priority: each key's by length, and who has waited longest. */
class Level {
  readonly #lines = new Map<string, Map<number, Fifo<Waiting>>>()
  readonly #byAge = new Deadlines<TaskId>()

  push(task: Waiting): void {
    this.#byAge.set(task.taskId, task.queuedAtMs)
    this.#line(task).push(task)
  }

  unshift(task: Waiting): void {
    this.#byAge.set(task.taskId, task.queuedAtMs)
    this.#line(task).unshift(task)
  }

  remove(task: Waiting): void {
    this.#byAge.set(task.taskId, null)
    const lines = this.#lines.get(task.share)
    const line = lines?.get(lengthClass(task.workMs))
    line?.remove(task)
    if (line?.size === 0) lines?.delete(lengthClass(task.workMs))
    if (lines?.size === 0) this.#lines.delete(task.share)
  }

  oldest(): TaskId | null {
    return this.#byAge.first()
  }

  shares(): Iterable<string> {
    return this.#lines.keys()
  }

  *heads(share: string): Iterable<Waiting> {
    for (const line of this.#lines.get(share)?.values() ?? []) {
      const first = line.first()
      if (first !== null) yield first
    }
  }

  *taskIds(): Iterable<TaskId> {
    for (const lines of this.#lines.values()) {
      for (const line of lines.values()) for (const { taskId } of line) yield taskId
    }
  }

  #line({ share, workMs }: Waiting): Fifo<Waiting> {
    const lines = this.#lines.get(share) ?? new Map<number, Fifo<Waiting>>()
    this.#lines.set(share, lines)
    const line = lines.get(lengthClass(workMs)) ?? new Fifo<Waiting>()
    lines.set(lengthClass(workMs), line)
    return line
  }
}

/** Of one key: the higher response ratio; of equals who came first, of those who came at once the shorter. */
export function isMoreUrgent(a: Waiting, b: Waiting, nowMs: number): boolean {
  const ratio = responseRatio(a, nowMs) - responseRatio(b, nowMs)
  if (ratio !== 0) return ratio > 0
  return a.queuedAtMs === b.queuedAtMs ? a.workMs < b.workMs : a.queuedAtMs < b.queuedAtMs
}

function responseRatio({ queuedAtMs, workMs }: Waiting, nowMs: number): number {
  return (Math.max(0, nowMs - queuedAtMs) + workMs) / workMs
}

function lengthClass(workMs: number): number {
  return Math.floor(Math.log2(Math.max(1, workMs)))
}
