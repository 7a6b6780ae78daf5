import type { JobSummary, JobView, ResultView, StageView } from '#protocol/job.ts'
import type { MergeSummary, PrepareSummary } from '#protocol/task.ts'
import type { PipelineWarning } from '#protocol/transcript.ts'
import type { IndexRow } from './effects.ts'
import { jobProgress } from './progress.ts'
import type { JobState, Live, TaskState } from './state.ts'

/** A job as API, SSE, CLI and console see it. Pure: state in, protocol documents out. */
export function jobView(job: JobState, live: Live): JobView {
  const { spec } = job
  return {
    id: spec.jobId,
    status: job.status,
    name: spec.name,
    pool: spec.pool,
    model: spec.modelRequested,
    language: spec.languageRequested,
    created_at: timestamp(job.createdAtMs),
    started_at: timestampOrNull(job.startedAtMs),
    completed_at: timestampOrNull(job.completedAtMs),
    audio_duration_seconds: audioSeconds(job),
    progress: jobProgress(job, live),
    stages: [...job.tasks.values()].map((task) => stageView(task, live)),
    why: job.status === 'pending' ? whyPending(job, live) : null,
    error: job.error,
    pipeline_warnings: warnings(job),
    result: resultView(job),
  }
}

export function stageView(task: TaskState, live: Live): StageView {
  const { plan, readyAtMs, startedAtMs, completedAtMs } = task
  return {
    task_id: plan.id,
    stage: plan.stage,
    status: task.status,
    required: plan.required,
    engine_id: task.runner?.engineId ?? null,
    model_id: task.runner?.modelId ?? null,
    agent_id: task.runner?.agentId ?? null,
    attempt: task.failures + (task.status === 'running' || task.status === 'completed' ? 1 : 0),
    ready_at: timestampOrNull(readyAtMs),
    started_at: timestampOrNull(startedAtMs),
    completed_at: timestampOrNull(completedAtMs),
    wait_ms: readyAtMs === null || startedAtMs === null ? null : Math.max(0, startedAtMs - readyAtMs),
    duration_ms:
      startedAtMs === null || completedAtMs === null ? null : Math.max(0, completedAtMs - startedAtMs),
    progress: live.progress.get(plan.id) ?? null,
    why: task.status === 'ready' ? whyReady(task, live) : null,
    error: task.error,
  }
}

/** The job's row in the list. */
export function indexRow(job: JobState): IndexRow {
  const { spec } = job
  const summary: JobSummary = {
    id: spec.jobId,
    status: job.status,
    name: spec.name,
    model: spec.modelRequested,
    language: spec.languageRequested,
    created_at: timestamp(job.createdAtMs),
    started_at: timestampOrNull(job.startedAtMs),
    completed_at: timestampOrNull(job.completedAtMs),
    audio_duration_seconds: audioSeconds(job),
    word_count: mergeSummary(job)?.word_count ?? null,
    error: job.error,
  }
  return { tenantId: spec.tenantId, pool: spec.pool, seq: job.seq, summary }
}

/** What a reader should know: of the recording, of stages that were left out, of the transcript. */
function warnings(job: JobState): JobView['pipeline_warnings'] {
  const prepared = prepareSummary(job)?.warnings ?? []
  return [...prepared, ...skippedWarnings(job), ...(mergeSummary(job)?.warnings ?? [])]
}

/** The recording's length, known after prepare. */
export function audioSeconds(job: JobState): number | null {
  return prepareSummary(job)?.duration_seconds ?? null
}

function prepareSummary(job: JobState): PrepareSummary | null {
  for (const task of job.tasks.values()) if (task.summary?.stage === 'prepare') return task.summary
  return null
}

function mergeSummary(job: JobState): MergeSummary | null {
  for (const task of job.tasks.values()) if (task.summary?.stage === 'merge') return task.summary
  return null
}

/** An optional stage that failed for good leaves its reason with the transcript. */
function skippedWarnings(job: JobState): PipelineWarning[] {
  return [...job.tasks.values()].flatMap(({ plan, status, error }) =>
    status === 'skipped' && error !== null
      ? { stage: plan.stage, code: error.code, message: `${plan.stage} was skipped: ${error.message}` }
      : [],
  )
}

function resultView(job: JobState): ResultView | null {
  const summary = mergeSummary(job)
  if (job.status !== 'completed' || summary === null) return null
  const { stage: _stage, warnings: _warnings, ...result } = summary
  const embedded = [...job.tasks.values()].some((task) => task.runner?.embeddedModel === true)
  return { ...result, embedded_model: embedded }
}

function whyPending(job: JobState, live: Live): string | null {
  const first = [...job.tasks.values()].find((task) => task.status === 'ready')
  return first === undefined ? null : whyReady(first, live)
}

function whyReady(task: TaskState, live: Live): string {
  if (task.retryAtMs !== null) return `is tried again at ${timestamp(task.retryAtMs)}`
  return live.why.get(task.plan.id) ?? 'queued'
}

/** ISO 8601 from epoch milliseconds: a conversion, not a clock. */
export function timestamp(atMs: number): string {
  return new Date(atMs).toISOString()
}

function timestampOrNull(atMs: number | null): string | null {
  return atMs === null ? null : timestamp(atMs)
}
