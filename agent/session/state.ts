import type { z } from 'zod'
import type {
  AgentMessage,
  Grant,
  ServerMessage,
  TaskAck as TaskAckSchema,
  TaskGranted as TaskGrantedSchema,
  TaskOffer as TaskOfferSchema,
  TaskResult as TaskResultSchema,
} from '#protocol/agent-messages.ts'
import type { AnnouncedEngine } from '#protocol/engine.ts'
import type { OperationId } from '#protocol/ids.ts'
import type { AgentLabel, ModelOrder, ModelProgress } from '#protocol/model-order.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import type { Report, Throttle } from '../progress.ts'
import type { Delivery } from './delivery.ts'

/**
 * What the session knows. All times are the agent's own monotonic milliseconds: the server's clock may differ, so its
 * absolute times (`lease_until_ms`, `expires_at_ms`) decide nothing here; its durations and its answers do.
 */
export interface SessionState {
  readonly identity: Identity
  readonly engines: readonly AnnouncedEngine[]
  /** What models may still take on the disk; null: unknown. */
  readonly modelsFreeBytes: number | null
  readonly link: Link
  readonly tasks: ReadonlyMap<GrantKey, TaskState>
  readonly outbox: ReadonlyMap<GrantKey, Delivery>
  readonly drain: Drain | null
  /** How long an answer to a result may take before it is sent again; the welcome sets it. */
  readonly resultAckMs: number
}

export interface Identity {
  readonly version: string
  readonly platform: string
  readonly slots: number
  /** What engines may take together; null: unknown. */
  readonly memoryMib: number | null
  readonly labels: readonly AgentLabel[]
  /** How long a drain that the server asks for may take. */
  readonly drainLimitMs: number
}

export type Link =
  | { readonly kind: 'down' }
  /** Hello is sent, the welcome is awaited. */
  | { readonly kind: 'greeting' }
  | { readonly kind: 'up'; readonly leaseExtendMs: number; readonly nextExtendMs: number }

/** Each of the three takes a slot, the first from the moment of the accept: two offers never share one. */
export type TaskState =
  | { readonly kind: 'accepted'; readonly grant: Grant; readonly offer: TaskOffer; readonly untilMs: number }
  | {
      readonly kind: 'running'
      readonly grant: Grant
      readonly token: string
      readonly n: number
      readonly throttle: Throttle
    }
  /** Aborted; its child still stops. `outcome` is what the server is told then, null when it knows already. */
  | { readonly kind: 'ending'; readonly grant: Grant; readonly outcome: TaskOutcome | null }

export type RunningTask = Extract<TaskState, { kind: 'running' }>

export interface Drain {
  readonly reason: string
  /** When running tasks are handed back. */
  readonly untilMs: number
  /** Since when no task takes a slot; null while one does. */
  readonly idleSinceMs: number | null
}

export type SessionEvent =
  | { readonly type: 'link.opened' }
  | { readonly type: 'link.closed' }
  | { readonly type: 'message'; readonly message: ServerMessage }
  | {
      readonly type: 'engines.changed'
      readonly engines: readonly AnnouncedEngine[]
      readonly modelsFreeBytes: number | null
    }
  | { readonly type: 'order.reported'; readonly message: ModelProgress }
  | { readonly type: 'task.reported'; readonly grant: Grant; readonly report: Report }
  | { readonly type: 'task.ended'; readonly grant: Grant; readonly outcome: TaskOutcome }
  /** `answer: null`: none came, try again; `refused`: the server will never take it. `random` spreads the next try. */
  | {
      readonly type: 'result.posted'
      readonly grant: Grant
      readonly answer: Answer | 'refused' | null
      readonly retryAfterMs: number | null
      readonly random: number
    }
  /** A second request, or a limit of 0, hands back at once. */
  | { readonly type: 'drain.requested'; readonly reason: string; readonly limitMs: number }
  | { readonly type: 'wake' }

export type Effect =
  | { readonly type: 'send'; readonly message: AgentMessage }
  | { readonly type: 'startTask'; readonly offer: TaskOffer; readonly granted: TaskGranted }
  | { readonly type: 'abortTask'; readonly grant: Grant; readonly reason: AbortReason }
  | { readonly type: 'saveResult'; readonly result: TaskResult }
  | { readonly type: 'postResult'; readonly result: TaskResult }
  /** The answer came: the outbox file goes; with `stale` or `gone` the outputs kept for a next task go too. */
  | { readonly type: 'forgetResult'; readonly result: TaskResult; readonly keepOutputs: boolean }
  | { readonly type: 'performOrder'; readonly order: ModelOrder }
  | { readonly type: 'cancelOrder'; readonly operationId: OperationId }
  | { readonly type: 'leave' }

export type AbortReason = 'cancelled' | 'lost' | 'handed_back'
export type Answer = z.infer<typeof TaskAckSchema>['answer']
export type TaskOffer = z.infer<typeof TaskOfferSchema>
export type TaskGranted = z.infer<typeof TaskGrantedSchema>
export type TaskResult = z.infer<typeof TaskResultSchema>
export type GrantKey = string

export interface Step {
  readonly state: SessionState
  readonly effects: readonly Effect[]
}

export function grantKey(grant: Grant): GrantKey {
  return `${grant.task_id}#${grant.fence}`
}

/** The grant alone, of a message that carries more. */
export function grantOf(message: Grant): Grant {
  return { task_id: message.task_id, fence: message.fence }
}

export function withEntry<V>(
  map: ReadonlyMap<GrantKey, V>,
  grant: Grant,
  value: V,
): ReadonlyMap<GrantKey, V> {
  return new Map(map).set(grantKey(grant), value)
}

export function withoutEntry<V>(map: ReadonlyMap<GrantKey, V>, grant: Grant): ReadonlyMap<GrantKey, V> {
  const rest = new Map(map)
  rest.delete(grantKey(grant))
  return rest
}

export function runningTasks(state: SessionState): RunningTask[] {
  return [...state.tasks.values()].filter((task) => task.kind === 'running')
}

/** The grants that the registry counts as ours: what runs, and what ended without an answer yet. */
export function heldGrants(state: SessionState): Grant[] {
  const unanswered = [...state.outbox.values()].filter((delivery) => delivery.held)
  return [
    ...runningTasks(state).map((task) => task.grant),
    ...unanswered.map((delivery) => grantOf(delivery.result)),
  ]
}
