import type { z } from 'zod'
import type { AgentHello } from '#protocol/agent-messages.ts'
import type { AgentId, JobId, ModelId, TaskId } from '#protocol/ids.ts'
import type { Dispatch } from '../dispatch.ts'
import type { Outstanding } from '../outbox.ts'
import type { TrackedEffect } from './effects.ts'

/**
 * What a pool's registry knows: its agents and where each task is. Indexed maps, changed in place by one step at a time:
 * nothing here is proportional to all jobs.
 */
export interface RegistryState {
  readonly agents: Map<AgentId, AgentRecord>
  readonly placements: Map<TaskId, Placement>
  /** Waiting tasks by requirement class, each in the order of arrival. */
  readonly queues: Map<string, Set<TaskId>>
  /** Offered and granted tasks of each agent. */
  readonly held: Map<AgentId, Set<TaskId>>
  readonly outbox: Map<string, Outstanding<TrackedEffect>>
  /** Which agent last completed a task of a job: it holds the artifacts. The newest jobs only. */
  readonly lastAgent: Map<JobId, AgentId>
  readonly counters: Map<string, number>
}

export interface AgentRecord {
  readonly id: AgentId
  readonly name: string
  readonly session: AgentSession | null
  /** What it announced last: within the minute after a disconnect selection still counts it. */
  readonly hello: z.infer<typeof AgentHello>
  readonly draining: string | null
  readonly lastSeenMs: number
  /** After an offer that it declined or missed, an agent gets none until then; 0 for none. Lives in memory only. */
  readonly quietUntilMs: number
}

export interface AgentSession {
  readonly id: string
  readonly connectedAtMs: number
}

/** Where a task is. Times live in memory only: at wake each lease restarts at full length. */
export type Placement = { readonly dispatch: Dispatch } & (
  | { readonly at: 'queued' }
  | ({ readonly at: 'offered'; readonly expiresAtMs: number } & Holder)
  | ({
      readonly at: 'granted'
      readonly leaseUntilMs: number
      /** Null once the agent said that it started. */
      readonly startByMs: number | null
      readonly lastN: number
    } & Holder)
)

export interface Holder {
  readonly agentId: AgentId
  readonly engineId: string
  readonly modelId: ModelId | null
  readonly embeddedModel: boolean
}

export function emptyRegistry(): RegistryState {
  return {
    agents: new Map(),
    placements: new Map(),
    queues: new Map(),
    held: new Map(),
    outbox: new Map(),
    lastAgent: new Map(),
    counters: new Map(),
  }
}

/** Tasks of one class can be run by the same engines, so they share a queue. */
export function classOf(dispatch: Dispatch): string {
  const { stage, engine_id, model_id, language, word_timestamps, split_channels } = dispatch.requirements
  return [stage, engine_id, model_id, language, word_timestamps, split_channels].join('|')
}
