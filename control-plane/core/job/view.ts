import type { JobSummary, JobView, ResultView, StageView } from '#protocol/job.ts'
import { FALLBACKS, isOptional, type Stage } from '#protocol/stage.ts'
import type { MergeSummary, PrepareSummary } from '#protocol/summary.ts'
import type { PipelineWarning } from '#protocol/transcript.ts'
import type { IndexRow } from './effects.ts'
import { jobProgress } from './progress.ts'
import type { JobState, Live, TaskState } from './state.ts'

/** A job as API, SSE, CLI and console see it. Pure: state in, protocol documents out. */
export function jobView(job: JobState, live: Live, nowMs: number): JobView {
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
    priority: spec.parameters.priority,
    progress: jobProgress(job, live, nowMs),
    stages: [...job.tasks.values()].map((task) => stageView(task, live)),
    why: job.status === 'pending' ? whyPending(job, live) : null,
    error: job.error,
    pipeline_warnings: warnings(job),
    result: resultView(job),
    rerun_of: spec.reuse?.jobId ?? null,
  }
}

export function stageView(task: TaskState, live: Live): StageView {
  const { plan, readyAtMs, startedAtMs, completedAtMs } = task
  return {
    task_id: plan.id,
    stage: plan.stage,
    channel: plan.channel,
    status: task.status,
    required: plan.required,
    engine_id: task.runner?.engineId ?? plan.preferred.engineId,
    model_id: task.runner === null ? plan.preferred.modelId : task.runner.modelId,
    agent_id: task.runner?.agentId ?? null,
    attempt: task.failures + (task.status === 'running' || task.status === 'completed' ? 1 : 0),
    ready_at: timestampOrNull(readyAtMs),
    started_at: timestampOrNull(startedAtMs),
    completed_at: timestampOrNull(completedAtMs),
    wait_ms: readyAtMs === null || startedAtMs === null ? null : Math.max(0, startedAtMs - readyAtMs),
    duration_ms:
      startedAtMs === null || completedAtMs === null ? null : Math.max(0, completedAtMs - startedAtMs),
    progress: live.progress.get(plan.id) ?? null,
    why: task.status === 'ready' ? whyReady(task, live) : (task.runner?.why ?? null),
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
export function warnings(job: JobState): JobView['pipeline_warnings'] {
  const prepared = prepareSummary(job)?.warnings ?? []
  const merged = mergeSummary(job)?.warnings ?? []
  const unused = (job.pipeline?.unused ?? []).map((one) => ({ stage: 'transcribe', ...one }))
  return [...prepared, ...channelWarnings(job), ...unused, ...skippedWarnings(job), ...merged]
}

/** How many files prepare wrote, where it was asked to split. */
export function channelCount(job: JobState): number | null {
  return prepareSummary(job)?.channel_count ?? null
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

/** Into how many channels the job was split; null where nobody asked, or nobody knows yet. */
export function splitCount(job: JobState): number | null {
  return job.spec.parameters.speakerDetection === 'per_channel' ? channelCount(job) : null
}

/** One channel has nothing to be split into: the caller learns that it was not two people on two channels. */
function channelWarnings(job: JobState): PipelineWarning[] {
  const { speakerDetection } = job.spec.parameters
  if (speakerDetection !== 'per_channel' || channelCount(job) !== 1) return []
  const message = 'The recording has one channel: expected two or more for speaker_detection=per_channel.'
  return [{ stage: 'prepare', code: 'single_channel', message }]
}

/** What was left out for want of an engine, and what failed for good: each leaves its reason with the transcript. */
function skippedWarnings(job: JobState): PipelineWarning[] {
  const unplanned = (job.pipeline?.skipped ?? []).map(({ stage, reason }) =>
    skipped(stage, 'no_capable_engine', reason, job.plannedAtMs),
  )
  const failed = [...job.tasks.values()].flatMap(({ plan, status, error, completedAtMs }) =>
    status === 'skipped' && error !== null
      ? skipped(plan.stage, error.code, error.message, completedAtMs)
      : [],
  )
  return [...unplanned, ...failed]
}

function skipped(stage: Stage, code: string, reason: string, atMs: number | null): PipelineWarning {
  return {
    stage,
    code,
    message: `${stage} was skipped: ${reason}`,
    status: 'skipped',
    ...(isOptional(stage) ? { fallback: FALLBACKS[stage] } : {}),
    ...(atMs === null ? {} : { timestamp: timestamp(atMs) }),
  }
}

function resultView(job: JobState): ResultView | null {
  const summary = mergeSummary(job)
  if (job.status !== 'completed' || summary === null) return null
  const { stage: _stage, warnings: _warnings, ...result } = summary
  const embedded = [...job.tasks.values()].some((task) => task.runner?.embeddedModel === true)
  return { ...result, embedded_model: embedded }
}

function whyPending(job: JobState, live: Live): string | null {
  if (job.pipeline === null) return live.waiting?.why ?? 'waits for engines'
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

export function timestampOrNull(atMs: number | null): string | null {
  return atMs === null ? null : timestamp(atMs)
}
