import type { z } from 'zod'
import type { ServerMessage, TaskGranted } from '#protocol/agent-messages.ts'
import type { AgentId, JobId, OperationId, TaskId } from '#protocol/ids.ts'
import type { Partial, Progress, TaskError, TaskOutcome } from '#protocol/task.ts'
import type { Runner } from '../dispatch.ts'
import type { Pipeline } from '../pipeline.ts'

/** What a registry orders. Tracked effects leave the object: they are kept until their answer returns as an event. */
export type TrackedEffect =
  | {
      readonly type: 'job.started'
      readonly jobId: JobId
      readonly taskId: TaskId
      readonly fence: number
      readonly runner: Runner
    }
  | {
      readonly type: 'job.lost'
      readonly jobId: JobId
      readonly taskId: TaskId
      readonly fence: number
      readonly counted: boolean
      readonly error: TaskError
    }
  /** What it waits for will not come. */
  | { readonly type: 'job.unavailable'; readonly jobId: JobId; readonly error: TaskError }
  | { readonly type: 'job.selected'; readonly jobId: JobId; readonly pipeline: Pipeline }

export type RegistryEffect =
  | { readonly type: 'tracked'; readonly id: string; readonly effect: TrackedEffect }
  | { readonly type: 'send'; readonly agentId: AgentId; readonly message: ServerMessage }
  /** The shell signs the task token. */
  | {
      readonly type: 'send.granted'
      readonly agentId: AgentId
      readonly message: Omit<z.infer<typeof TaskGranted>, 'token'>
    }
  | {
      readonly type: 'send.leases'
      readonly agentId: AgentId
      readonly leases: readonly SignedLease[]
      readonly lost: readonly { readonly task_id: TaskId; readonly fence: number }[]
    }
  /** How far is what a job waits for. */
  | { readonly type: 'job.waits'; readonly jobId: JobId; readonly why: string }
  /** Who looks at the operation is told. */
  | { readonly type: 'operation.changed'; readonly operationId: OperationId }
  | { readonly type: 'close'; readonly sessionId: string; readonly code: number; readonly reason: string }
  | {
      readonly type: 'job.progress'
      readonly jobId: JobId
      readonly taskId: TaskId
      readonly fence: number
      readonly n: number
      readonly progress: Progress
      readonly partial: Partial | null
    }
  /** Answered by `result.answered`; a call that fails gives no answer, and the agent sends again. */
  | {
      readonly type: 'job.result'
      readonly jobId: JobId
      readonly agentId: AgentId
      readonly taskId: TaskId
      readonly fence: number
      readonly outcome: TaskOutcome
      /** What the task was granted to, when the sender holds it. */
      readonly runner: Runner | null
    }

export interface SignedLease {
  readonly task_id: TaskId
  readonly fence: number
  readonly lease_until_ms: number
  readonly outputPrefix: string
}
