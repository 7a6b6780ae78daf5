/**
 * When a task is tried again. Pure: randomness comes as an argument.
 */
export interface RetryDelays {
  readonly retryDelayMs: number
  readonly retryDelayMaxMs: number
}

/**
 * Full jitter (a uniform draw between 0 and base·2ⁿ, capped): the spread that keeps failed clients from returning together.
 * `attempt` counts from 1; `random` lies in [0, 1).
 */
export function retryWaitMs(attempt: number, random: number, delays: RetryDelays): number {
  return Math.floor(random * Math.min(delays.retryDelayMs * 2 ** attempt, delays.retryDelayMaxMs))
}

/**
 * A number in [0, 1) from a text: machines that may not draw randomness spread by the task's own name and fence instead.
 * FNV-1a, 32 bits (the offset basis and prime of the published algorithm).
 */
export function spread(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0
  }
  return hash / 2 ** 32
}
