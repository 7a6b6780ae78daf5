import { FairQueue } from '#core/registry/fair-queue.ts'
import type { Waiting } from '#core/registry/lines.ts'
import { nextTask } from '#core/registry/next-task.ts'
import { Shares } from '#core/registry/shares.ts'
import { TaskId } from '#protocol/ids.ts'
import { jobId, requirementsOf, T0 } from './builders.ts'

export const AGING_MS = 600_000
export const MINUTE_MS = 60_000

interface Parts extends Partial<Omit<Waiting, 'taskId'>> {
  readonly queue?: string
}

/** Queues of waiting tasks by requirement class, and the work that each key had done. Tasks go by names. */
export class TaskLine {
  readonly shares = new Shares()
  readonly queues = new Map<string, FairQueue>()
  nowMs = T0
  readonly #names = new Map<TaskId, string>()
  readonly #tasks = new Map<string, { readonly task: Waiting; readonly queue: FairQueue }>()

  /** A task that comes now, under a name of its own. */
  add(name: string, { queue = 'en', ...parts }: Parts = {}): void {
    const taskId = TaskId.parse(`${jobId(this.#names.size + 1)}.prepare`)
    const task: Waiting = {
      taskId,
      share: 'key',
      priority: 'normal',
      queuedAtMs: this.nowMs,
      workMs: MINUTE_MS,
      ...parts,
    }
    const fair = this.queues.get(queue) ?? new FairQueue(requirementsOf())
    this.queues.set(queue, fair)
    fair.push(task)
    this.#names.set(taskId, name)
    this.#tasks.set(name, { task, queue: fair })
  }

  next(): string | null {
    const { shares, nowMs } = this
    const found = nextTask(this.queues, { shares, nowMs, agingMs: AGING_MS })
    return found === null ? null : (this.#names.get(found.task.taskId) ?? null)
  }

  /** Given to an agent, as the registry does. */
  take(): string | null {
    const name = this.next()
    const found = name === null ? undefined : this.#tasks.get(name)
    if (found === undefined) return null
    found.queue.remove(found.task.taskId)
    this.shares.serve(found.task.share, found.task.workMs)
    return name
  }

  putBack(name: string): void {
    const found = this.#tasks.get(name)
    if (found === undefined) throw new Error(`expected a task ${name}, there is none`)
    found.queue.unshift(found.task)
    this.shares.refund(found.task.share, found.task.workMs)
  }

  /** The next `count`, each with the time that it takes. */
  takes(count: number): (string | null)[] {
    return Array.from({ length: count }, () => this.take())
  }

  wait(ms: number): void {
    this.nowMs += ms
  }
}
