import type { JobProgress } from '#protocol/job.ts'
import { etaOf, expectedRun } from '../eta.ts'
import type { JobState, Live } from './state.ts'

/** How far a job is. Pure. A task weighs what it is expected to take. */

/** The percentage of now, never below one that was shown before; 100 only when the job completed. */
export function overallPercent(job: JobState, live: Live): number {
  if (job.status === 'completed') return 100
  let total = 0
  let done = 0
  for (const [id, task] of job.tasks) {
    const weight = expectedRun(job, task).ms
    total += weight
    if (task.status === 'completed' || task.status === 'skipped') done += weight
    else if (task.status === 'running') done += (weight * (live.progress.get(id)?.percent ?? 0)) / 100
  }
  const percent = total === 0 ? 0 : Math.floor((done / total) * 100)
  return Math.max(job.overall, live.overall, Math.min(percent, 99))
}

/** The progress block of the API: the stage in front is the first one that runs, else the first that waits. */
export function jobProgress(job: JobState, live: Live, nowMs: number): JobProgress {
  const open = [...job.tasks.values()]
  const current =
    open.find((task) => task.status === 'running') ?? open.find((task) => task.status === 'ready') ?? null
  return {
    overall: overallPercent(job, live),
    current_stage: current?.plan.stage ?? null,
    current_stage_progress: current === null ? null : (live.progress.get(current.plan.id)?.percent ?? null),
    eta: etaOf(job, live, nowMs),
  }
}
