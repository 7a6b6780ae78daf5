import type { Change } from '../machine.ts'
import { type Outstanding, reloaded } from '../outbox.ts'
import type { TrackedEffect } from './effects.ts'
import type { Fact } from './facts.ts'
import { fold } from './fold.ts'
import { type JobMachineState, type JobState, NO_JOB, NOTHING_LIVE } from './state.ts'

/** The log of a job, from its saved records. */
export function factsFrom(records: readonly Change[]): Fact[] {
  // Records are read back as they were written by Turn.changes.
  return records.filter((record) => record.kind === 'facts').flatMap((record) => record.value as Fact[])
}

/**
 * The machine's state from its saved records, in the order of kind and id. What lived in memory starts anew: every
 * dispatched task counts as heard of at `nowMs`, and every unanswered effect is due at once.
 */
export function loadJob(records: readonly Change[], nowMs: number): JobMachineState {
  let job: JobState | null = null
  for (const fact of factsFrom(records)) job = fold(job, fact)
  if (job === null) return NO_JOB
  const overall = recordOf<number>(records, 'overall') ?? 0
  const outbox = reloaded(recordOf<Outstanding<TrackedEffect>[]>(records, 'outbox') ?? [], nowMs)
  const heardMs = new Map([...job.tasks.keys()].map((taskId) => [taskId, nowMs]))
  return {
    job,
    live: { ...NOTHING_LIVE, heardMs, overall, savedOverall: overall },
    outbox,
    hasUnsavedAnswers: false,
  }
}

/** The one record of a kind; null when none was written yet. */
function recordOf<Value>(records: readonly Change[], kind: string): Value | null {
  // Records are read back as Turn.changes wrote them.
  return (records.find((record) => record.kind === kind)?.value as Value | undefined) ?? null
}
