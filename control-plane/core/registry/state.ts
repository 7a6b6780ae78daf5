import type { z } from 'zod'
import type { AgentHello } from '#protocol/agent-messages.ts'
import type { AgentId, EngineId, JobId, ModelId, OperationId, TaskId, TenantId } from '#protocol/ids.ts'
import type { Requirements } from '#protocol/task.ts'
import type { Dispatch, Runner } from '../dispatch.ts'
import { Outgoing } from '../outgoing.ts'
import type { JobParameters } from '../parameters.ts'
import type { Speed } from '../speed.ts'
import { AgedMap } from '../structures/aged-map.ts'
import { Deadlines } from '../structures/deadlines.ts'
import type { TrackedEffect } from './effects.ts'
import type { FairQueue } from './fair-queue.ts'
import { Kinds } from './kinds.ts'
import type { Counters } from './metrics.ts'
import type { OrderSums } from './operation-sums.ts'
import type { Operation } from './operations.ts'
import { Shares } from './shares.ts'

/**
 * What a pool's registry knows: its agents and where each task is. Indexed maps, changed in place by one step at a time:
 * nothing here is proportional to all jobs.
 */
export interface RegistryState {
  readonly agents: Map<AgentId, AgentRecord>
  /** The same agents by what they can run, and who of them is free. */
  readonly kinds: Kinds
  readonly placements: Map<TaskId, Placement>
  /** Fences that ended here: a late or repeated enqueue of one must not be granted again. */
  readonly over: AgedMap<TaskId, OverFence>
  /** Waiting tasks by requirement class. */
  readonly queues: Map<string, FairQueue>
  readonly shares: Shares
  /** Classes whose tasks no engine that is there can run, and when the first of them is given up. Worked out anew after a load. */
  readonly uncovered: Map<string, number>
  /** Offered and granted tasks of each agent. */
  readonly held: Map<AgentId, Set<TaskId>>
  /** Sockets that have not said hello yet, and until when they may. Lives in memory only. */
  readonly greetings: AgedMap<string, number>
  /** When agents that are away were last looked for. */
  forgotAtMs: number
  /** When offers, leases, starts and runs of tasks are over, and when agents may be asked again. */
  readonly deadlines: Deadlines<TaskId | AgentId>
  /** When it is next looked whether all that waits could still run; null when nothing waits. */
  coverageCheckMs: number | null
  /** When it is next looked whether engines came for the jobs that wait; null: when an agent speaks of a change. */
  reconsiderMs: number | null
  /** Jobs that wait for engines: until then they have no tasks. */
  readonly waiting: Map<JobId, WaitingJob>
  /** Who was taken off that list lately, and waits never again: a call of theirs may come late. Lives in memory only. */
  readonly unwaited: AgedMap<JobId, true>
  /** What operators asked of models, and of each agent what is not done yet. */
  readonly operations: Map<OperationId, Operation>
  readonly orderSums: Map<OperationId, OrderSums>
  readonly openOrders: Map<AgentId, Set<OperationId>>
  /** When orders of which nobody has said a word are sent again; null when there are none. Lives in memory only. */
  ordersDueMs: number | null
  readonly outbox: Outgoing<TrackedEffect>
  /** Which agent last completed a task of a job: it holds the artifacts. The newest jobs only. */
  readonly lastAgent: AgedMap<JobId, AgentId>
  readonly counters: Counters
  countersChanged: boolean
  countersSavedMs: number
  /** Engines that have a label of their own in the counters. */
  readonly measuredEngines: Set<string>
  /** How fast each stage runs with each engine, model and device; see speeds.ts for the keys. */
  readonly speeds: Map<string, Speed>
}

export interface AgentRecord {
  readonly id: AgentId
  readonly name: string
  readonly session: AgentSession | null
  /** What it announced last: within the minute after a disconnect selection still counts it. */
  readonly hello: z.infer<typeof AgentHello>
  /** It said itself that it drains; ends with the session. */
  readonly draining: string | null
  /** The operator wants no more tasks on it; stays until the operator says otherwise. */
  readonly cordoned: string | null
  readonly lastSeenMs: number
  /** After an offer that it declined or missed, an agent gets none until then; 0 for none. Lives in memory only. */
  readonly quietUntilMs: number
  /** When it last let an offer pass without a word; 0 for never. Lives in memory only. */
  readonly missedAtMs: number
}

export interface AgentSession {
  readonly id: string
  readonly connectedAtMs: number
}

/** Where a task is. Times live in memory only; what a load makes of them stands in load.ts. */
export type Placement = { readonly dispatch: Dispatch } & (
  | { readonly at: 'queued' }
  | ({ readonly at: 'offered'; readonly expiresAtMs: number } & Holder)
  | ({
      readonly at: 'granted'
      readonly leaseUntilMs: number
      /** Null once the agent said that it started. */
      readonly startByMs: number | null
      /** The run must have ended by then; null until it started, or was heard of after a load. */
      readonly runUntilMs: number | null
      readonly lastN: number
      /** A load began the lease anew and nobody has spoken for it since: the next load does not do so again. */
      readonly restarted: boolean
    } & Holder)
)
export type Offered = Extract<Placement, { at: 'offered' }>
export type Granted = Extract<Placement, { at: 'granted' }>

export interface OverFence {
  readonly at: 'over'
  readonly taskId: TaskId
  readonly fence: number
  readonly endedAtMs: number
}

export interface Holder {
  readonly agentId: AgentId
  readonly engineId: EngineId
  readonly modelId: ModelId | null
  readonly embeddedModel: boolean
  /** Why this agent and no other. */
  readonly why: string | null
  readonly speed: Speed | null
}

export interface WaitingJob {
  readonly jobId: JobId
  readonly tenantId: TenantId
  readonly parameters: JobParameters
  /** The model that is being pulled for it. */
  readonly pulls?: ModelId
}

export interface Grant {
  readonly task_id: TaskId
  readonly fence: number
}

export function emptyRegistry(): RegistryState {
  return {
    agents: new Map(),
    kinds: new Kinds(),
    placements: new Map(),
    over: new AgedMap(),
    queues: new Map(),
    shares: new Shares(),
    uncovered: new Map(),
    held: new Map(),
    greetings: new AgedMap(),
    forgotAtMs: 0,
    deadlines: new Deadlines(),
    coverageCheckMs: null,
    reconsiderMs: null,
    waiting: new Map(),
    unwaited: new AgedMap(),
    operations: new Map(),
    orderSums: new Map(),
    openOrders: new Map(),
    ordersDueMs: null,
    outbox: new Outgoing(),
    lastAgent: new AgedMap(),
    counters: new Map(),
    countersChanged: false,
    countersSavedMs: 0,
    measuredEngines: new Set(),
    speeds: new Map(),
  }
}

/** Tasks of one class can be run by the same engines, so they share a queue. */
export function classOf(dispatch: Dispatch): string {
  const { requirements } = dispatch
  const { stage, engine_id, model_id, language, word_timestamps, diarization } = requirements
  const { translation, split_channels, streaming } = requirements
  const parts = [
    stage,
    engine_id,
    model_id,
    language,
    word_timestamps,
    diarization,
    translation,
    split_channels,
    streaming,
  ]
  return parts.join('|')
}

/** What the waiting tasks of a class require; null when none waits. */
export function requirementsOf(state: RegistryState, key: string): Requirements | null {
  return state.queues.get(key)?.requirements ?? null
}

/** The highest fence of a task that was seen here; 0 for none. */
export function lastFence(state: RegistryState, taskId: TaskId): number {
  return state.placements.get(taskId)?.dispatch.fence ?? state.over.get(taskId)?.fence ?? 0
}

/** The grant, when this agent holds it. */
export function grantedTo(state: RegistryState, agentId: AgentId, grant: Grant): Granted | null {
  const placement = state.placements.get(grant.task_id)
  const isTheirs =
    placement?.at === 'granted' && placement.agentId === agentId && placement.dispatch.fence === grant.fence
  return isTheirs ? placement : null
}

export function offeredTo(state: RegistryState, agentId: AgentId, grant: Grant): Offered | null {
  const placement = state.placements.get(grant.task_id)
  const isTheirs =
    placement?.at === 'offered' && placement.agentId === agentId && placement.dispatch.fence === grant.fence
  return isTheirs ? placement : null
}

export function heldBy(state: RegistryState, agentId: AgentId): Placement[] {
  return [...(state.held.get(agentId) ?? [])].flatMap((taskId) => state.placements.get(taskId) ?? [])
}

export function runnerOf({ agentId, engineId, modelId, embeddedModel, why, speed }: Holder): Runner {
  return { agentId, engineId, modelId, embeddedModel, why, speed }
}

/** How many tasks an agent holds of an engine, or of all. */
export function heldOf(state: RegistryState, agentId: AgentId, engineId: EngineId | null): number {
  const held = state.held.get(agentId)
  if (held === undefined || engineId === null) return held?.size ?? 0
  let count = 0
  for (const taskId of held) {
    const placement = state.placements.get(taskId)
    if (placement !== undefined && placement.at !== 'queued' && placement.engineId === engineId) count++
  }
  return count
}
