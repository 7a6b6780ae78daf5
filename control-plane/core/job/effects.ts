import type { JobEvent } from '#protocol/events.ts'
import type { JobId, TaskId, TenantId } from '#protocol/ids.ts'
import type { JobStatus, JobSummary } from '#protocol/job.ts'
import type { MergeSummary, TranscribeSummary } from '#protocol/summary.ts'
import type { TaskParameters } from '#protocol/task.ts'
import type { Dispatch, Owner } from '../dispatch.ts'
import type { JobParameters } from '../parameters.ts'
import type { FileCopy } from './facts.ts'

/** What a job orders. Tracked effects leave the object: they are kept until their answer returns as an event. */
export type TrackedEffect =
  | { readonly type: 'registry.enqueue'; readonly pool: string; readonly dispatch: Dispatch }
  | {
      readonly type: 'registry.cancel'
      readonly pool: string
      readonly taskId: TaskId
      readonly fence: number
    }
  /** Put the job on the registry's waiting list, or take it off. */
  | {
      readonly type: 'registry.wait'
      readonly tenantId: TenantId
      readonly pool: string
      readonly jobId: JobId
      readonly parameters: JobParameters
    }
  | { readonly type: 'registry.unwait'; readonly pool: string; readonly jobId: JobId }
  /** Copy files of another job; `isAwaited`: the job goes on with `copied`. */
  | {
      readonly type: 'files.copy'
      readonly copies: readonly FileCopy[]
      readonly isAwaited: boolean
    }
  /** The timeline, to where the operator collects traces; given up at `untilMs`. */
  | { readonly type: 'trace.export'; readonly endpoint: string; readonly untilMs: number }
  | { readonly type: 'merge.run'; readonly merge: MergeOrder }
  | { readonly type: 'index.save'; readonly row: IndexRow }

export type JobEffect =
  | { readonly type: 'tracked'; readonly id: string; readonly effect: TrackedEffect }
  | {
      readonly type: 'registry.inquire'
      readonly pool: string
      readonly taskId: TaskId
      readonly fence: number
    }
  /** For the registry's metrics. */
  | {
      readonly type: 'registry.ended'
      readonly pool: string
      readonly status: JobStatus
      readonly durationMs: number
    }
  /** The files of a result that was refused: they go. */
  | { readonly type: 'artifacts.discard'; readonly prefix: string }
  /** To the SSE clients; the stream ends after a terminal event. `seq` is null for values that are not kept. */
  | { readonly type: 'publish'; readonly seq: number | null; readonly event: JobEvent }

/** The stage that runs in the Worker itself, and all that it reads. */
export interface MergeOrder {
  readonly taskId: TaskId
  readonly fence: number
  readonly parameters: TaskParameters
  readonly outputPrefix: string
  /** The text of each channel, in the order of channels; one without a channel where nothing was split. */
  readonly transcripts: readonly { readonly channel: number | null; readonly key: string }[]
  /** What stands beside the text; null where it was not asked for or was skipped. */
  readonly turnsKey: string | null
  readonly emotionsKey: string | null
  readonly topicsKey: string | null
  /** Null where nobody asked; `key: null` where it was asked for and skipped: segments then say `events: []`. */
  readonly events: { readonly key: string | null } | null
  readonly alignmentSource: MergeSummary['alignment_source']
  readonly diarizationSource: MergeSummary['diarization_source']
  /** What the transcriber said of its own output. */
  readonly transcription: Pick<
    TranscribeSummary,
    'language' | 'language_source' | 'speaker_count' | 'warnings'
  >
}

/** The job's row in D1: an index for lists, never the truth. A row with a smaller seq never replaces a larger one. */
export interface IndexRow extends Owner {
  readonly seq: number
  readonly summary: JobSummary
}
