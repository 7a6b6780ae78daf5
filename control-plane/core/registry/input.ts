import type { AgentMessage } from '#protocol/agent-messages.ts'
import type { AgentId, JobId, OperationId, TaskId } from '#protocol/ids.ts'
import type { JobStatus } from '#protocol/job.ts'
import type { TaskMetrics } from '#protocol/task.ts'
import type { Dispatch } from '../dispatch.ts'
import type { JobReply } from '../job/input.ts'
import type { TaskEnd } from './metrics.ts'
import type { NewOperation } from './operations.ts'
import type { Pongs } from './presence.ts'
import type { WaitingJob } from './state.ts'

/** What happens to a registry. Every one may come twice, late, or out of order. */
export type RegistryInput =
  | {
      readonly type: 'agent.message'
      readonly agentId: AgentId
      readonly name: string
      readonly sessionId: string
      /** When the session's socket was opened: it tells an older session from a newer one. */
      readonly connectedAtMs: number
      readonly message: AgentMessage
    }
  /** A socket was opened; its hello is awaited. */
  | { readonly type: 'agent.connected'; readonly agentId: AgentId; readonly sessionId: string }
  | { readonly type: 'agent.disconnected'; readonly agentId: AgentId; readonly sessionId: string }
  | { readonly type: 'enqueue'; readonly dispatch: Dispatch }
  | { readonly type: 'cancel'; readonly taskId: TaskId; readonly fence: number; readonly reason: string }
  /** A job without engines: it is told when they are there. `operationId` is for the pull that it may need. */
  | {
      readonly type: 'wait'
      readonly job: WaitingJob
      readonly pongs: Pongs
      readonly operationId: OperationId
    }
  | { readonly type: 'unwait'; readonly jobId: JobId }
  /** The operator takes an agent out of service (`reason`), or puts it back (null). */
  | { readonly type: 'cordon'; readonly agentId: AgentId; readonly reason: string | null }
  /** ... asks it to finish and leave. */
  | { readonly type: 'dismiss'; readonly agentId: AgentId; readonly reason: string }
  /** Its credential is no longer valid. */
  | { readonly type: 'revoke'; readonly agentId: AgentId }
  /** An operator asks something of models, on these agents. */
  | {
      readonly type: 'operation.begin'
      readonly operation: NewOperation
      readonly agentIds: readonly AgentId[]
      /** Of these: the ones that have as many orders as may wait. */
      readonly full?: readonly AgentId[]
    }
  /** ... and no longer wants it. */
  | { readonly type: 'operation.cancel'; readonly operationId: OperationId }
  /** For the metrics: told once, and not again when it is lost. */
  | { readonly type: 'job.ended'; readonly status: JobStatus; readonly durationMs: number }
  | { readonly type: 'inquire'; readonly taskId: TaskId; readonly fence: number }
  | { readonly type: 'effect.answered'; readonly id: string; readonly answer: JobReply }
  | {
      readonly type: 'result.answered'
      readonly agentId: AgentId
      readonly taskId: TaskId
      readonly fence: number
      readonly end: TaskEnd
      /** Of a completed run: what it took, and how much audio it was, where its summary tells. */
      readonly run: { readonly metrics: TaskMetrics; readonly audioSeconds: number | null } | null
      readonly answer: JobReply
    }
  /** `pongs`: when each agent's last `ping` was answered without waking the registry. */
  | { readonly type: 'wake'; readonly pongs: Pongs }

/** Whether the task is known here with this fence, and why it waits. */
export interface RegistryReply {
  readonly known: boolean
  readonly why: string | null
  /** How long a queued task is expected to wait. */
  readonly queueMs: number
}
