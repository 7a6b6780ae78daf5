import type { JobStatus } from '#protocol/job.ts'
import type { Stage } from '#protocol/stage.ts'
import type { Turn } from './turn.ts'

/**
 * Counters and histograms by their Prometheus names, without the prefix `dalston_`. Labels are bounded: stages, engines,
 * statuses, answers; never ids of jobs, tasks or agents. A histogram's buckets are cumulative, as the format has them.
 */
export type Counters = Map<string, number>

/** Seconds; from a clip's step to a day's recording. */
const BUCKETS_SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400]
/** Engines beyond this many are counted together. */
const MAX_ENGINES = 100
/** Counters are saved at most this often: a row is billed, and an eviction may lose the last minute. */
const SAVE_EVERY_MS = 60_000

export type TaskEnd = 'completed' | 'failed' | 'handed_back' | 'lost'

export function countTask(turn: Turn, stage: Stage, status: TaskEnd): void {
  add(turn, `tasks_total{stage="${stage}",status="${status}"}`, 1)
}

export function observeTask(turn: Turn, stage: Stage, engineId: string, ms: number): void {
  const engines = turn.state.measuredEngines
  const isKnown = engines.has(engineId) || engines.size < MAX_ENGINES
  if (isKnown) engines.add(engineId)
  observe(turn, 'task_duration_seconds', `stage="${stage}",engine="${isKnown ? engineId : 'other'}"`, ms)
}

export function countJob(turn: Turn, status: JobStatus, ms: number): void {
  add(turn, `jobs_total{status="${status}"}`, 1)
  observe(turn, 'job_duration_seconds', `status="${status}"`, ms)
}

export function countAnswer(turn: Turn, answer: string): void {
  add(turn, `task_results_total{answer="${answer}"}`, 1)
}

/** Called at each wake. */
export function saveCounters(turn: Turn): void {
  const { state, nowMs } = turn
  if (!state.countersChanged || nowMs - state.countersSavedMs < SAVE_EVERY_MS) return
  state.countersChanged = false
  state.countersSavedMs = nowMs
  turn.changes.push({ kind: 'counters', id: 'all', value: [...state.counters] })
}

function observe(turn: Turn, name: string, labels: string, ms: number): void {
  const seconds = ms / 1000
  for (const bucket of BUCKETS_SECONDS) {
    add(turn, `${name}_bucket{${labels},le="${bucket}"}`, seconds <= bucket ? 1 : 0)
  }
  add(turn, `${name}_bucket{${labels},le="+Inf"}`, 1)
  add(turn, `${name}_sum{${labels}}`, seconds)
  add(turn, `${name}_count{${labels}}`, 1)
}

function add({ state }: Turn, name: string, amount: number): void {
  state.counters.set(name, (state.counters.get(name) ?? 0) + amount)
  state.countersChanged = true
}
