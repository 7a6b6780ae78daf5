import type { JobId, TaskId } from '#protocol/ids.ts'
import type { JobError } from '#protocol/job.ts'
import type { StageSummary } from '#protocol/summary.ts'
import type { Artifact, TaskMetrics } from '#protocol/task.ts'
import type { PlannedTask } from '../dag.ts'
import type { Owner, Runner } from '../dispatch.ts'
import type { JobParameters } from '../parameters.ts'
import type { Pipeline } from '../pipeline.ts'

/**
 * What happened to a job, in order: the append-only log that is the job's truth. The state is a fold of it (fold.ts), and
 * every fact is one event of the SSE stream with the fact's seq as its id (events.ts). Nothing here decides.
 */
export interface JobSpec extends Owner {
  readonly jobId: JobId
  readonly name: string | null
  readonly fileName: string | null
  /** As the caller wrote them: a model id or `auto`, a language or `auto`. */
  readonly modelRequested: string
  readonly languageRequested: string
  readonly parameters: JobParameters
  readonly upload: Artifact
  /** The key that submitted it: keys share the agents fairly. */
  readonly keyId: string
  /** Null while no engine can do it: the job then waits for one. */
  readonly pipeline: Pipeline | null
  readonly tasks: readonly PlannedTask[]
  readonly trace: TraceContext
  /** What is taken over from another job instead of being run again. */
  readonly reuse: Reuse | null
}

/** `parentSpanId` is the caller's span, where a `traceparent` came with the request. */
export interface TraceContext {
  readonly traceId: string
  readonly parentSpanId: string | null
}

export interface Reuse {
  readonly jobId: JobId
  readonly tasks: readonly ReusedTask[]
  /** Files of the other job that the first tasks read, and where they will lie. */
  readonly copies: readonly FileCopy[]
  /** Files that nobody waits for: the recording, where prepare is not run again. */
  readonly laterCopies: readonly FileCopy[]
}

export interface FileCopy {
  readonly fromKey: string
  readonly toKey: string
  readonly contentType: string
}

/** A task's result, its artifacts under this job's own keys. */
export interface ReusedTask {
  readonly taskId: TaskId
  readonly artifacts: readonly Artifact[]
  readonly summary: StageSummary
  readonly metrics: TaskMetrics
  readonly runner: Runner | null
}

export type FactBody =
  | { readonly type: 'created'; readonly spec: JobSpec }
  /** The graph, once engines are chosen; and again when prepare told how many channels there are. */
  | { readonly type: 'planned'; readonly pipeline: Pipeline; readonly tasks: readonly PlannedTask[] }
  /** The files of a rerun are there: these tasks need not run. */
  | { readonly type: 'reused'; readonly tasks: readonly ReusedTask[] }
  | { readonly type: 'running' }
  | { readonly type: 'queued'; readonly taskId: TaskId; readonly fence: number }
  | { readonly type: 'started'; readonly taskId: TaskId; readonly fence: number; readonly runner: Runner }
  | {
      readonly type: 'completed'
      readonly taskId: TaskId
      readonly fence: number
      readonly artifacts: readonly Artifact[]
      readonly summary: StageSummary
      readonly metrics: TaskMetrics
    }
  | {
      readonly type: 'failed'
      readonly taskId: TaskId
      readonly fence: number
      readonly error: JobError
      /** A counted failure uses the stage's budget; a hand-back does not. */
      readonly counted: boolean
      readonly next:
        | { readonly verdict: 'retry'; readonly atMs: number }
        | { readonly verdict: 'fail' | 'skip' }
    }
  | { readonly type: 'job_completed' }
  | { readonly type: 'job_failed'; readonly error: JobError }
  | { readonly type: 'job_cancelled' }

/** `overall` is the percentage reached by then, so that percent never falls, not even after an eviction. */
export type Fact = FactBody & { readonly seq: number; readonly atMs: number; readonly overall: number }
