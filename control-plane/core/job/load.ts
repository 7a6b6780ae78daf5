import type { Change } from '../machine.ts'
import { type Outstanding, reloaded } from '../outbox.ts'
import type { TrackedEffect } from './effects.ts'
import type { Fact } from './facts.ts'
import { fold } from './fold.ts'
import { type JobMachineState, type JobState, NO_JOB, NOTHING_LIVE } from './state.ts'
import type { SavedFacts, SavedOutbox } from './turn.ts'

/** The log of a job, from its saved records. */
export function factsFrom(records: readonly Change[]): Fact[] {
  return savedFacts(records).flatMap(({ facts }) => facts)
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
  const outbox = reloaded(savedOutbox(records), nowMs)
  const heardMs = new Map([...job.tasks.keys()].map((taskId) => [taskId, nowMs]))
  const live = { ...NOTHING_LIVE, heardMs, overall, savedOverall: overall }
  return { job, live, outbox, hasUnsavedAnswers: false }
}

/** The last one that was saved, with facts or alone. */
function savedOutbox(records: readonly Change[]): readonly Outstanding<TrackedEffect>[] {
  const rows = savedFacts(records)
  const withFacts = rows.findLast(({ outbox }) => outbox !== null)
  const alone = recordOf<SavedOutbox>(records, 'outbox')
  const factsSeq = withFacts?.facts.at(-1)?.seq ?? 0
  return alone !== null && alone.seq >= factsSeq ? alone.outbox : (withFacts?.outbox ?? [])
}

function savedFacts(records: readonly Change[]): SavedFacts[] {
  // Records are read back as Turn.changes wrote them.
  return records.filter((record) => record.kind === 'facts').map((record) => record.value as SavedFacts)
}

/** The one record of a kind; null when none was written yet. */
function recordOf<Value>(records: readonly Change[], kind: string): Value | null {
  // Records are read back as Turn.changes wrote them.
  return (records.find((record) => record.kind === kind)?.value as Value | undefined) ?? null
}
