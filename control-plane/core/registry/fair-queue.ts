import type { TaskId } from '#protocol/ids.ts'
import type { Priority } from '#protocol/job.ts'
import { Fifo } from '../structures/fifo.ts'
import type { Shares } from './shares.ts'

/**
 * The waiting tasks of one requirement class, and which of them is next. Pure data; every operation takes the same time
 * however many tasks wait (it grows with the number of keys that have any).
 *
 * 1. The highest priority class that has one; each `agingMs` of waiting lifts a task by one class.
 * 2. Of that class the key that had the least work done (shares.ts).
 * 3. Of that key the task with the highest response ratio, (waited + work) / work: short work does not stand behind long
 *    work, and long work does not wait for ever (Brinch Hansen, 1971). Lengths are compared in powers of two.
 */
export interface Waiting {
  readonly taskId: TaskId
  readonly share: string
  readonly priority: Priority
  readonly queuedAtMs: number
  readonly workMs: number
}

/** How soon a class's best task goes, for comparison between classes; the smallest goes first, place by place. */
export type Urgency = readonly [level: number, virtualMs: number, negativeRatio: number, queuedAtMs: number]

export interface Head {
  readonly taskId: TaskId
  readonly urgency: Urgency
}

const LEVELS: Readonly<Record<Priority, number>> = { high: 0, normal: 1, low: 2 }

export class FairQueue {
  readonly #levels = [new Level(), new Level(), new Level()]
  readonly #tasks = new Map<TaskId, Waiting>()

  get size(): number {
    return this.#tasks.size
  }

  push(task: Waiting): void {
    this.#tasks.set(task.taskId, task)
    this.#level(task.priority).push(task)
  }

  /** A task that was offered in vain goes back to where it stood. */
  unshift(task: Waiting): void {
    this.#tasks.set(task.taskId, task)
    this.#level(task.priority).unshift(task)
  }

  remove(taskId: TaskId): void {
    const task = this.#tasks.get(taskId)
    if (task === undefined) return
    this.#tasks.delete(taskId)
    this.#level(task.priority).remove(task)
  }

  has(taskId: TaskId): boolean {
    return this.#tasks.has(taskId)
  }

  /** Who is next at `nowMs`; null when nobody waits. */
  head(shares: Shares, nowMs: number, agingMs: number): Head | null {
    let best: Head | null = null
    for (const [level, tasks] of this.#levels.entries()) {
      const oldest = this.#taskOf(tasks.oldest())
      if (oldest === null) continue
      const aged = level - Math.floor((nowMs - oldest.queuedAtMs) / agingMs)
      // Who was lifted out of its class goes itself, not a younger one of its class.
      const next: Waiting | null =
        aged < level && best !== null && aged <= best.urgency[0] ? oldest : this.#next(tasks, shares, nowMs)
      const head: Head | null = next === null ? null : headOf(next, Math.min(aged, level), shares, nowMs)
      if (head !== null && (best === null || isMoreUrgent(head.urgency, best.urgency))) best = head
    }
    return best
  }

  /** One of them, whichever: all have the same requirements. */
  sample(): TaskId | null {
    for (const level of this.#levels) {
      const taskId = level.oldest()
      if (taskId !== null) return taskId
    }
    return null
  }

  [Symbol.iterator](): Iterator<TaskId> {
    return this.#tasks.keys()
  }

  #next(tasks: Level, shares: Shares, nowMs: number): Waiting | null {
    const share = shares.least(tasks.shares())
    let best: Waiting | null = null
    for (const taskId of share === null ? [] : tasks.heads(share)) {
      const task = this.#taskOf(taskId)
      if (task !== null && (best === null || ratio(task, nowMs) > ratio(best, nowMs))) best = task
    }
    return best
  }

  #taskOf(taskId: TaskId | null): Waiting | null {
    return taskId === null ? null : (this.#tasks.get(taskId) ?? null)
  }

  #level(priority: Priority): Level {
    const level = this.#levels[LEVELS[priority]]
    if (level === undefined) throw new Error(`there is no level for priority ${priority}`)
    return level
  }
}

/** The tasks of one priority: all in the order of arrival, and each key's by length. */
class Level {
  readonly #all = new Fifo<TaskId>()
  readonly #byShare = new Map<string, Map<number, Fifo<TaskId>>>()

  push(task: Waiting): void {
    this.#all.push(task.taskId)
    this.#line(task).push(task.taskId)
  }

  unshift(task: Waiting): void {
    this.#all.unshift(task.taskId)
    this.#line(task).unshift(task.taskId)
  }

  remove(task: Waiting): void {
    this.#all.remove(task.taskId)
    const lines = this.#byShare.get(task.share)
    const line = lines?.get(lengthClass(task.workMs))
    line?.remove(task.taskId)
    if (line?.size === 0) lines?.delete(lengthClass(task.workMs))
    if (lines?.size === 0) this.#byShare.delete(task.share)
  }

  oldest(): TaskId | null {
    return this.#all.first()
  }

  shares(): Iterable<string> {
    return this.#byShare.keys()
  }

  *heads(share: string): Iterable<TaskId> {
    for (const line of this.#byShare.get(share)?.values() ?? []) {
      const first = line.first()
      if (first !== null) yield first
    }
  }

  #line({ share, workMs }: Waiting): Fifo<TaskId> {
    let lines = this.#byShare.get(share)
    if (lines === undefined) {
      lines = new Map()
      this.#byShare.set(share, lines)
    }
    let line = lines.get(lengthClass(workMs))
    if (line === undefined) {
      line = new Fifo()
      lines.set(lengthClass(workMs), line)
    }
    return line
  }
}

export function isMoreUrgent(a: Urgency, b: Urgency): boolean {
  const place = a.findIndex((value, index) => value !== b[index])
  return place >= 0 && (a[place] ?? 0) < (b[place] ?? 0)
}

function headOf(task: Waiting, level: number, shares: Shares, nowMs: number): Head {
  const urgency: Urgency = [level, shares.virtualMs(task.share), -ratio(task, nowMs), task.queuedAtMs]
  return { taskId: task.taskId, urgency }
}

function ratio({ queuedAtMs, workMs }: Waiting, nowMs: number): number {
  return (Math.max(0, nowMs - queuedAtMs) + workMs) / workMs
}

function lengthClass(workMs: number): number {
  return Math.floor(Math.log2(Math.max(1, workMs)))
}
