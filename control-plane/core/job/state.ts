import type { AgentId, TaskId } from '#protocol/ids.ts'
import type { JobError, JobStatus, LivePartial, TaskStatus } from '#protocol/job.ts'
import type { StageSummary } from '#protocol/summary.ts'
import type { Artifact, Progress, TaskMetrics } from '#protocol/task.ts'
import type { PlannedTask } from '../dag.ts'
import type { Runner } from '../dispatch.ts'
import type { Outbox } from '../outbox.ts'
import type { Pipeline } from '../pipeline.ts'
import type { TrackedEffect } from './effects.ts'
import type { JobSpec } from './facts.ts'

/** A job as its facts tell it. Pure data. */
export interface JobState {
  readonly spec: JobSpec
  readonly seq: number
  readonly status: JobStatus
  readonly overall: number
  readonly createdAtMs: number
  readonly startedAtMs: number | null
  readonly completedAtMs: number | null
  readonly error: JobError | null
  /** Null while the job waits for engines. */
  readonly pipeline: Pipeline | null
  /** When the pipeline was first chosen. */
  readonly plannedAtMs: number | null
  /** A rerun whose files are not there yet: nothing may start. */
  readonly isCopying: boolean
  readonly tasks: ReadonlyMap<TaskId, TaskState>
}

export interface TaskState {
  readonly plan: PlannedTask
  readonly status: TaskStatus
  /** 0 until the task is first enqueued. */
  readonly fence: number
  /** Counted failures so far. */
  readonly failures: number
  readonly readyAtMs: number | null
  readonly startedAtMs: number | null
  readonly completedAtMs: number | null
  /** Set while a `ready` task waits for its next enqueue. */
  readonly retryAtMs: number | null
  /** Agents that failed it, the newest last. */
  readonly avoid: readonly AgentId[]
  readonly runner: Runner | null
  readonly artifacts: readonly Artifact[]
  readonly summary: StageSummary | null
  readonly metrics: TaskMetrics | null
  readonly error: JobError | null
}

/** What lives in memory only: the last value wins, and an eviction may forget it. */
export interface Live {
  readonly progress: ReadonlyMap<TaskId, Progress>
  /** The highest n seen of each task's current fence. */
  readonly seen: ReadonlyMap<TaskId, number>
  readonly why: ReadonlyMap<TaskId, string>
  /** When each progress was heard of. */
  readonly progressMs: ReadonlyMap<TaskId, number>
  /** How long each waiting task was said to wait, from its enqueue on. */
  readonly queueMs: ReadonlyMap<TaskId, number>
  /** When each dispatched task was last heard of. */
  readonly heardMs: ReadonlyMap<TaskId, number>
  readonly partial: LivePartial | null
  /** Why a job without a pipeline waits, and when the registry was last asked. */
  readonly waiting: { readonly why: string; readonly askedAtMs: number } | null
  /** The highest percentage shown. */
  readonly overall: number
  /** The percentage on disk, never below `overall`: after an eviction percent goes on from there. */
  readonly savedOverall: number
}

export const NOTHING_LIVE: Live = {
  progress: new Map(),
  seen: new Map(),
  why: new Map(),
  progressMs: new Map(),
  queueMs: new Map(),
  heardMs: new Map(),
  partial: null,
  waiting: null,
  overall: 0,
  savedOverall: 0,
}

/** Everything the Job object holds; `job` is null before it was created and after it was deleted. */
export interface JobMachineState {
  readonly job: JobState | null
  readonly live: Live
  readonly outbox: Outbox<TrackedEffect>
  /** Answers came that no row says yet: after an eviction their effects would be performed once more. */
  readonly hasUnsavedAnswers: boolean
}

export const NO_JOB: JobMachineState = {
  job: null,
  live: NOTHING_LIVE,
  outbox: new Map(),
  hasUnsavedAnswers: false,
}

/** Whether the registry is still to be told that a task is over: forgotten before, it would run to its end for nobody. */
export function isTakingBack({ outbox }: JobMachineState): boolean {
  return [...outbox.values()].some(({ effect }) => effect.type === 'registry.cancel')
}

/** Whether the registry, or the edge, holds the task now. */
export function isDispatched(task: TaskState): boolean {
  return task.status === 'running' || (task.status === 'ready' && task.retryAtMs === null)
}
