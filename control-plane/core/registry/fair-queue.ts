import type { TaskId } from '#protocol/ids.ts'
import type { Priority } from '#protocol/job.ts'
import type { Requirements } from '#protocol/task.ts'
import { Deadlines } from '../structures/deadlines.ts'
import { Lines, type Waiting } from './lines.ts'
import type { Shares } from './shares.ts'

/** The highest first. */
export const PRIORITIES: readonly Priority[] = ['high', 'normal', 'low']

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
export class FairQueue {
  /** What all of its tasks require. */
  readonly requirements: Requirements
  readonly #levels: Readonly<Record<Priority, Level>> = {
    high: new Level(),
    normal: new Level(),
    low: new Level(),
  }
  readonly #tasks = new Map<TaskId, Waiting>()

  constructor(requirements: Requirements) {
    this.requirements = requirements
  }

  get size(): number {
    return this.#tasks.size
  }

  has(taskId: TaskId): boolean {
    return this.#tasks.has(taskId)
  }

  hasAny(priority: Priority): boolean {
    return !this.#levels[priority].isEmpty
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
    return this.#levels[priority].fairest(shares, nowMs)
  }

  /** Of a priority the task that has waited longest; null when it has none. */
  oldest(priority: Priority): Waiting | null {
    const taskId = this.#levels[priority].oldest()
    return taskId === null ? null : (this.#tasks.get(taskId) ?? null)
  }

  *[Symbol.iterator](): Iterator<TaskId> {
    for (const priority of PRIORITIES) yield* this.#levels[priority].taskIds()
  }
}

/** The tasks of one priority: each key's by length, and who has waited longest. */
class Level {
  readonly #lines = new Map<string, Lines>()
  readonly #byAge = new Deadlines<TaskId>()

  get isEmpty(): boolean {
    return this.#lines.size === 0
  }

  push(task: Waiting): void {
    this.#byAge.set(task.taskId, task.queuedAtMs)
    this.#linesOf(task.share).push(task)
  }

  unshift(task: Waiting): void {
    this.#byAge.set(task.taskId, task.queuedAtMs)
    this.#linesOf(task.share).unshift(task)
  }

  remove(task: Waiting): void {
    this.#byAge.set(task.taskId, null)
    const lines = this.#lines.get(task.share)
    lines?.remove(task)
    if (lines?.isEmpty === true) this.#lines.delete(task.share)
  }

  oldest(): TaskId | null {
    return this.#byAge.first()
  }

  fairest(shares: Shares, nowMs: number): Waiting | null {
    const share = shares.least(this.#lines.keys())
    return share === null ? null : (this.#lines.get(share)?.mostUrgent(nowMs) ?? null)
  }

  *taskIds(): Iterable<TaskId> {
    for (const lines of this.#lines.values()) for (const { taskId } of lines) yield taskId
  }

  #linesOf(share: string): Lines {
    const lines = this.#lines.get(share) ?? new Lines()
    this.#lines.set(share, lines)
    return lines
  }
}
