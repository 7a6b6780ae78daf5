import { z } from 'zod'
import { AnnouncedEngine } from './engine.ts'
import { AgentId, EngineId, Fence, ModelId, TaskId } from './ids.ts'
import { AgentLabel, ModelCancel, ModelOrder, ModelProgress } from './model-order.ts'
import { Stage } from './stage.ts'
import { Artifact, Partial, Progress, TaskOutcome, TaskParameters } from './task.ts'

/**
 * The agent wire: JSON text frames over the agent's one outbound WebSocket. Times are epoch milliseconds.
 * Liveness is the literal text `ping`, answered `pong` without waking the registry.
 */
export const PROTOCOL_VERSION = 3
export const MAX_FRAME_BYTES = 65_536

/** Why a socket was closed, and so what the agent does next (see protocol/README.md). */
export const CLOSE_CODES = {
  badToken: 4001,
  malformed: 4002,
  replaced: 4009,
  upgradeRequired: 4011,
  drain: 4012,
} as const

const grant = { task_id: TaskId, fence: Fence }
const Grant = z.strictObject(grant)

export const AgentHello = z.strictObject({
  type: z.literal('agent.hello'),
  protocol: z.strictObject({ min: z.int().min(1), max: z.int().min(1) }),
  version: z.string().max(40),
  platform: z.string().max(100),
  slots: z.int().min(1).max(1024),
  /** The memory that engines of this agent may take in all. */
  memory_mib: z.int().positive().nullable(),
  /** What models may still take on its disk; null where nothing is known. */
  models_free_bytes: z.int().min(0).nullable(),
  labels: z.array(AgentLabel).max(20),
  engines: z.array(AnnouncedEngine).max(100),
  /** What this process still runs from an earlier connection. */
  running: z.array(Grant).max(1024),
})

/** The part of a hello that every version has: an agent of another one is told to update, not that it is malformed. */
export const AnyHello = z.object({
  type: z.literal('agent.hello'),
  protocol: z.object({ min: z.int(), max: z.int() }),
})

/** Sent when something changed: a model was loaded or dropped. Replaces what hello announced. */
export const AgentStatus = z.strictObject({
  type: z.literal('agent.status'),
  slots: z.int().min(1).max(1024),
  models_free_bytes: z.int().min(0).nullable(),
  engines: z.array(AnnouncedEngine).max(100),
})

/** No more offers, please; running tasks go on. */
export const AgentDraining = z.strictObject({
  type: z.literal('agent.draining'),
  reason: z.string().max(300),
})

export const TaskAccept = z.strictObject({ type: z.literal('task.accept'), ...grant })
export const TaskDecline = z.strictObject({
  type: z.literal('task.decline'),
  ...grant,
  reason: z.string().max(300),
})
export const TaskStarted = z.strictObject({ type: z.literal('task.started'), ...grant })

/** `n` grows with each message about one grant; a seen n is dropped. */
export const TaskProgress = z.strictObject({
  type: z.literal('task.progress'),
  ...grant,
  n: z.int().min(1),
  progress: Progress,
  partial: Partial.nullable(),
})
export const LeaseExtend = z.strictObject({
  type: z.literal('lease.extend'),
  leases: z.array(Grant).max(1024),
})
export const TaskResult = z.strictObject({ type: z.literal('task.result'), ...grant, outcome: TaskOutcome })

export const AgentMessage = z.discriminatedUnion('type', [
  AgentHello,
  AgentStatus,
  AgentDraining,
  TaskAccept,
  TaskDecline,
  TaskStarted,
  TaskProgress,
  LeaseExtend,
  TaskResult,
  ModelProgress,
])
export type AgentMessage = z.infer<typeof AgentMessage>

export const Welcome = z.strictObject({
  type: z.literal('agent.welcome'),
  protocol: z.int().min(1),
  agent_id: AgentId,
  session_id: z.string().max(100),
  heartbeat_ms: z.int().positive(),
  lease_ms: z.int().positive(),
  lease_extend_ms: z.int().positive(),
  result_ack_ms: z.int().positive(),
  /** Of what hello said is running: the grants that still hold. The agent ends the others. */
  resume: z.array(Grant).max(1024),
})

export const TaskOffer = z.strictObject({
  type: z.literal('task.offer'),
  ...grant,
  stage: Stage,
  engine_id: EngineId,
  model_id: ModelId.nullable(),
  expires_at_ms: z.int(),
})

export const TaskGranted = z.strictObject({
  type: z.literal('task.granted'),
  ...grant,
  lease_until_ms: z.int(),
  /** Bearer token for this task's artifacts, renewed with the lease. */
  token: z.string().max(2000),
  inputs: z.array(Artifact).max(100),
  output_prefix: z.string().max(300),
  parameters: TaskParameters,
  run_limit_ms: z.int().positive(),
  /** What the job needs next: an agent that has it on disk, and the memory, loads it while this task runs. */
  prefetch: z.strictObject({ engine_id: EngineId, model_id: ModelId }).nullable(),
})

export const TaskCancel = z.strictObject({
  type: z.literal('task.cancel'),
  ...grant,
  reason: z.string().max(300),
})

export const LeaseExtended = z.strictObject({
  type: z.literal('lease.extended'),
  leases: z
    .array(z.strictObject({ ...grant, lease_until_ms: z.int(), token: z.string().max(2000) }))
    .max(1024),
  /** Grants that are over: the agent stops them and deletes their files. */
  lost: z.array(Grant).max(1024),
})

/** The Job's own answer to a result, never the registry's. */
export const TaskAck = z.strictObject({
  type: z.literal('task.ack'),
  ...grant,
  answer: z.enum(['accepted', 'duplicate', 'stale', 'gone']),
})

export const DrainRequest = z.strictObject({ type: z.literal('agent.drain'), reason: z.string().max(300) })

export const ServerMessage = z.discriminatedUnion('type', [
  Welcome,
  TaskOffer,
  TaskGranted,
  TaskCancel,
  LeaseExtended,
  TaskAck,
  DrainRequest,
  ModelOrder,
  ModelCancel,
])
export type ServerMessage = z.infer<typeof ServerMessage>
export type Grant = z.infer<typeof Grant>
