import type { TaskId } from '#protocol/ids.ts'
import type { Eta } from '#protocol/job.ts'
import { isTerminal } from '#protocol/job.ts'
import type { JobState, Live, TaskState } from './job/state.ts'
import { type Expectation, expectation } from './speed.ts'

/**
 * When a job will be done: the longest way through what is left of its graph, each task by its expected time, what runs
 * by its own progress, and what waits with the time that its queue is said to take. Pure.
 */
export function etaOf(job: JobState, live: Live, nowMs: number): Eta | null {
  if (isTerminal(job.status) || job.pipeline === null) return null
  const ends = new Map<TaskId, Expectation>()
  let last: Expectation = NOTHING
  for (const task of job.tasks.values()) {
    const before = task.plan.dependsOn.map((id) => ends.get(id) ?? NOTHING).reduce(later, NOTHING)
    const end = plus(before, remaining(job, live, task, nowMs))
    ends.set(task.plan.id, end)
    last = later(last, end)
  }
  return {
    completes_at: new Date(nowMs + last.ms).toISOString(),
    remaining_seconds: seconds(last.ms),
    low_seconds: seconds(last.lowMs),
    high_seconds: seconds(last.highMs),
    source: last.isMeasured ? 'measured' : 'prior',
  }
}

/** What a task is expected to take from its start to its end. */
export function expectedRun(job: JobState, { plan, runner }: TaskState): Expectation {
  const known = knownSeconds(job)
  const speed = runner?.speed ?? plan.speed
  const expected = expectation(plan.stage, speed, known ?? guessedSeconds(job))
  // Merge is the product's own and short: nobody measures it for the registry.
  const isMeasured = expected.isMeasured || plan.stage === 'merge'
  return known === null ? { ...expected, isMeasured: false } : { ...expected, isMeasured }
}

const NOTHING: Expectation = { ms: 0, lowMs: 0, highMs: 0, isMeasured: true }
/** A run that is not this far yet says little of its own speed. */
const TELLING_PERCENT = 5
/** The band of a run that tells its own progress. */
const PROGRESS_BAND = 0.1

function remaining(job: JobState, live: Live, task: TaskState, nowMs: number): Expectation {
  const { status, plan } = task
  if (status === 'completed' || status === 'skipped') return NOTHING
  const expected = expectedRun(job, task)
  if (status === 'running') return running(expected, task, live, nowMs)
  if (status === 'pending') return expected
  if (task.retryAtMs !== null) return plus(exactly(task.retryAtMs - nowMs), expected)
  const queueMs = live.queueMs.get(plan.id) ?? 0
  return plus(exactly(queueMs - (nowMs - (task.readyAtMs ?? nowMs))), expected)
}

function running(
  expected: Expectation,
  { plan, startedAtMs }: TaskState,
  live: Live,
  nowMs: number,
): Expectation {
  const elapsedMs = Math.max(0, nowMs - (startedAtMs ?? nowMs))
  const percent = live.progress.get(plan.id)?.percent ?? null
  const heardMs = live.progressMs.get(plan.id) ?? nowMs
  if (percent !== null && percent >= TELLING_PERCENT) {
    const untilThenMs = Math.max(0, heardMs - (startedAtMs ?? heardMs))
    const leftMs = Math.max(0, (untilThenMs * (100 - percent)) / percent - (nowMs - heardMs))
    const margin = leftMs * PROGRESS_BAND
    return { ms: leftMs, lowMs: leftMs - margin, highMs: leftMs + margin, isMeasured: true }
  }
  return plus(exactly(-elapsedMs), expected)
}

function exactly(ms: number): Expectation {
  return { ms, lowMs: ms, highMs: ms, isMeasured: true }
}

function plus(a: Expectation, b: Expectation): Expectation {
  return {
    ms: Math.max(0, a.ms + b.ms),
    lowMs: Math.max(0, a.lowMs + b.lowMs),
    highMs: Math.max(0, a.highMs + b.highMs),
    isMeasured: a.isMeasured && b.isMeasured,
  }
}

function later(a: Expectation, b: Expectation): Expectation {
  return {
    ms: Math.max(a.ms, b.ms),
    lowMs: Math.max(a.lowMs, b.lowMs),
    highMs: Math.max(a.highMs, b.highMs),
    isMeasured: a.isMeasured && b.isMeasured,
  }
}

function knownSeconds(job: JobState): number | null {
  for (const { summary } of job.tasks.values())
    if (summary?.stage === 'prepare') return summary.duration_seconds
  return null
}

/** Bytes a second of an ordinary compressed recording (128 kbit/s). */
const USUAL_BYTES_A_SECOND = 16_000

/** The recording's length before prepare has told it. */
export function guessedSeconds(job: JobState): number {
  return job.spec.upload.size_bytes / USUAL_BYTES_A_SECOND
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10
}
