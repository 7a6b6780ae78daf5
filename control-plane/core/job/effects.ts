import type { JobEvent } from '#protocol/events.ts'
import type { TaskId } from '#protocol/ids.ts'
import type { JobSummary } from '#protocol/job.ts'
import type { Artifact, TaskParameters, TranscribeSummary } from '#protocol/task.ts'
import type { Dispatch, Owner } from '../dispatch.ts'

/** What a job orders. Tracked effects leave the object: they are kept until their answer returns as an event. */
export type TrackedEffect =
  | { readonly type: 'registry.enqueue'; readonly pool: string; readonly dispatch: Dispatch }
  | {
      readonly type: 'registry.cancel'
      readonly pool: string
      readonly taskId: TaskId
      readonly fence: number
    }
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
  /** To the SSE clients; the stream ends after a terminal event. `seq` is null for values that are not kept. */
  | { readonly type: 'publish'; readonly seq: number | null; readonly event: JobEvent }

/** The stage that runs in the Worker itself. */
export interface MergeOrder {
  readonly taskId: TaskId
  readonly fence: number
  readonly inputs: readonly Artifact[]
  readonly parameters: TaskParameters
  /** What the transcriber said of its own output. */
  readonly transcription: Pick<TranscribeSummary, 'language' | 'language_source' | 'warnings'>
  readonly outputPrefix: string
}

/** The job's row in D1: an index for lists, never the truth. A row with a smaller seq never replaces a larger one. */
export interface IndexRow extends Owner {
  readonly seq: number
  readonly summary: JobSummary
}
