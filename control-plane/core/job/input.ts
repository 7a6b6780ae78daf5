import type { AgentId, TaskId } from '#protocol/ids.ts'
import type { Partial, Progress, TaskError, TaskOutcome } from '#protocol/task.ts'
import type { Runner } from '../dispatch.ts'
import type { Pipeline } from '../pipeline.ts'
import type { JobSpec } from './facts.ts'

/** What happens to a job. Every one may come twice, late, or out of order. */
export type JobInput =
  | { readonly type: 'create'; readonly spec: JobSpec }
  | {
      readonly type: 'task.started'
      readonly taskId: TaskId
      readonly fence: number
      readonly runner: Runner
    }
  | {
      readonly type: 'task.progress'
      readonly taskId: TaskId
      readonly fence: number
      readonly n: number
      readonly progress: Progress
      readonly partial: Partial | null
    }
  | {
      readonly type: 'task.result'
      readonly taskId: TaskId
      readonly fence: number
      readonly outcome: TaskOutcome
      /** Who says so; `runner` is what the registry granted the task to, null when it does not hold it for them. */
      readonly from: { readonly agentId: AgentId | null; readonly runner: Runner | null }
    }
  | {
      readonly type: 'task.lost'
      readonly taskId: TaskId
      readonly fence: number
      readonly counted: boolean
      readonly error: TaskError
    }
  /** The registry's answer to `enqueue` or `inquire`: why the task waits, or that it does not know it. */
  | {
      readonly type: 'task.placed'
      readonly taskId: TaskId
      readonly fence: number
      readonly known: boolean
      readonly why: string | null
      /** How long the queue is expected to take. */
      readonly queueMs: number
    }
  /** The registry's answer to `wait`: engines for every stage, or why the job waits on. */
  | { readonly type: 'selected'; readonly pipeline: Pipeline }
  | { readonly type: 'unselected'; readonly why: string }
  | { readonly type: 'unavailable'; readonly error: TaskError }
  /** The files of a rerun were copied, or one was not there. */
  | { readonly type: 'copied'; readonly missingKey: string | null }
  | { readonly type: 'effect.answered'; readonly id: string }
  | { readonly type: 'cancel' }
  | { readonly type: 'wake' }

/** `gone`: there is no such job (any more); `conflict`: it has ended. */
export type JobReply = 'ok' | 'created' | 'accepted' | 'duplicate' | 'stale' | 'gone' | 'conflict'
