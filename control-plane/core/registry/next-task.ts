import { type FairQueue, PRIORITIES } from './fair-queue.ts'
import { isMoreUrgent, type Waiting } from './lines.ts'
import type { Shares } from './shares.ts'

/**
 * Which of all waiting tasks is next. Pure.
 *
 * The highest priority class that waits, by fair share. Each `agingMs` of waiting lifts a task by one class: one that has
 * risen as far competes there as itself, never through a younger one of its class. It competes and does not overtake:
 * age must not undo the fair share between keys, and of one key's tasks its response ratio soon is the highest.
 */
export interface Next {
  /** The requirement class. */
  readonly key: string
  readonly task: Waiting
}

export interface Rules {
  readonly shares: Shares
  readonly nowMs: number
  readonly agingMs: number
}

/** Over the queues of the classes that somebody could run now; null when none of them has a task. */
export function nextTask(queues: ReadonlyMap<string, FairQueue>, rules: Rules): Next | null {
  const top = PRIORITIES.findIndex((priority) => has(queues, priority))
  let best: Next | null = null
  for (const [rank, priority] of PRIORITIES.entries()) {
    if (top < 0 || rank < top) continue
    for (const [key, queue] of queues) {
      const task = rank === top ? queue.fairest(priority, rules.shares, rules.nowMs) : queue.oldest(priority)
      if (task === null || !hasRisen(task, rank - top, rules)) continue
      if (best === null || goesBefore(task, best.task, rules)) best = { key, task }
    }
  }
  return best
}

function has(queues: ReadonlyMap<string, FairQueue>, priority: Waiting['priority']): boolean {
  for (const queue of queues.values()) if (queue.hasAny(priority)) return true
  return false
}

function hasRisen({ queuedAtMs }: Waiting, classes: number, { nowMs, agingMs }: Rules): boolean {
  return nowMs - queuedAtMs >= classes * agingMs
}

/** The key with less work done; of equals the more urgent task. */
function goesBefore(a: Waiting, b: Waiting, { shares, nowMs }: Rules): boolean {
  const virtualMs = shares.virtualMs(a.share) - shares.virtualMs(b.share)
  return virtualMs === 0 ? isMoreUrgent(a, b, nowMs) : virtualMs < 0
}
