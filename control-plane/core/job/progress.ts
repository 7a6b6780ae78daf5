import type { JobProgress } from '#protocol/job.ts'
import type { Stage } from '#protocol/stage.ts'
import type { JobState, Live } from './state.ts'

/**
 * How far a job is. Pure. Stages weigh what they usually take: recognition is nearly all of a job.
 */
const WEIGHTS: Readonly<Partial<Record<Stage, number>>> = {
  prepare: 10,
  transcribe: 80,
  diarize: 40,
  align: 20,
  merge: 2,
}
const OTHER_WEIGHT = 10

/** The percentage of now, never below one that was shown before; 100 only when the job completed. */
export function overallPercent(job: JobState, live: Live): number {
  if (job.status === 'completed') return 100
  let total = 0
  let done = 0
  for (const [id, task] of job.tasks) {
    const weight = WEIGHTS[task.plan.stage] ?? OTHER_WEIGHT
    total += weight
    if (task.status === 'completed' || task.status === 'skipped') done += weight
    else if (task.status === 'running') done += (weight * (live.progress.get(id)?.percent ?? 0)) / 100
  }
  const percent = total === 0 ? 0 : Math.floor((done / total) * 100)
  return Math.max(job.overall, live.overall, Math.min(percent, 99))
}

/** The progress block of the API: the stage in front is the first one that runs, else the first that waits. */
export function jobProgress(job: JobState, live: Live): JobProgress {
  const open = [...job.tasks.values()]
  const current =
    open.find((task) => task.status === 'running') ?? open.find((task) => task.status === 'ready') ?? null
  return {
    overall: overallPercent(job, live),
    current_stage: current?.plan.stage ?? null,
    current_stage_progress: current === null ? null : (live.progress.get(current.plan.id)?.percent ?? null),
    eta: null,
  }
}
