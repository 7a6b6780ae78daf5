import { z } from 'zod'
import { AgentId, Fence, JobId, ModelId, TaskId } from './ids.ts'
import { JobError, JobStatus } from './job.ts'
import { Stage } from './stage.ts'

/** `GET /v1/audio/transcriptions/{id}/trace`: where a job spent its time, attempt by attempt. */
const Timestamp = z.iso.datetime()
const milliseconds = z.int().min(0).nullable()

export const TraceAttempt = z.strictObject({
  task_id: TaskId,
  stage: Stage,
  channel: z.int().min(0).nullable(),
  fence: Fence,
  engine_id: z.string().nullable(),
  model_id: ModelId.nullable(),
  agent_id: AgentId.nullable(),
  /** Why that agent, and no other. */
  why: z.string().nullable(),
  queued_at: Timestamp,
  started_at: Timestamp.nullable(),
  ended_at: Timestamp.nullable(),
  /** `open` while it waits or runs; `reused` when it was taken from another job. */
  outcome: z.enum(['open', 'completed', 'retried', 'failed', 'skipped', 'cancelled', 'reused']),
  error: JobError.nullable(),
  queue_ms: milliseconds,
  /** Fetching inputs and storing outputs. */
  transfer_ms: milliseconds,
  /** Dropping another model to make room. */
  swap_ms: milliseconds,
  load_ms: milliseconds,
  run_ms: milliseconds,
})
export type TraceAttempt = z.infer<typeof TraceAttempt>

export const JobTrace = z.strictObject({
  job_id: JobId,
  /** W3C trace context: given by the caller's `traceparent`, else made at submit. */
  trace_id: z.string().regex(/^[0-9a-f]{32}$/),
  status: JobStatus,
  created_at: Timestamp,
  started_at: Timestamp.nullable(),
  completed_at: Timestamp.nullable(),
  attempts: z.array(TraceAttempt),
})
export type JobTrace = z.infer<typeof JobTrace>
