import { z } from 'zod'

/** Identifiers are branded: a `TaskId` cannot be passed where a `JobId` goes. */
const ulid = '[0-9a-hjkmnp-tv-z]{26}'

export const JobId = z
  .string()
  .regex(new RegExp(`^job_${ulid}$`), 'expected a job id: job_ and 26 characters')
  .brand('JobId')
export type JobId = z.infer<typeof JobId>

/** `<job id>.<stage>`, and `.ch<n>` where a stage is split by channel: unique, and known when the DAG is planned. */
export const TaskId = z
  .string()
  .regex(new RegExp(`^job_${ulid}\\.[a-z_]+(\\.ch\\d+)?$`), 'expected a task id: <job id>.<stage>')
  .brand('TaskId')
export type TaskId = z.infer<typeof TaskId>

export const AgentId = z
  .string()
  .regex(new RegExp(`^agent_${ulid}$`), 'expected an agent id')
  .brand('AgentId')
export type AgentId = z.infer<typeof AgentId>

export const UploadId = z
  .string()
  .regex(new RegExp(`^upload_${ulid}$`), 'expected an upload id')
  .brand('UploadId')
export type UploadId = z.infer<typeof UploadId>

export const JoinTokenId = z
  .string()
  .regex(new RegExp(`^token_${ulid}$`), 'expected the id of a join token')
  .brand('JoinTokenId')
export type JoinTokenId = z.infer<typeof JoinTokenId>

export const OperationId = z
  .string()
  .regex(new RegExp(`^op_${ulid}$`), 'expected the id of a model operation')
  .brand('OperationId')
export type OperationId = z.infer<typeof OperationId>

const slug = /^[a-z0-9][a-z0-9._-]{0,99}$/

export const EngineId = z.string().regex(slug, 'expected an engine id such as ctc').brand('EngineId')
export type EngineId = z.infer<typeof EngineId>

export const ModelId = z.string().regex(slug, 'expected a model id such as embedded-en').brand('ModelId')
export type ModelId = z.infer<typeof ModelId>

export const TenantId = z.string().regex(slug, 'expected a tenant id').brand('TenantId')
export type TenantId = z.infer<typeof TenantId>

export const Pool = z.string().regex(slug, 'expected a pool name').brand('Pool')
export type Pool = z.infer<typeof Pool>

/** A task's grant number: +1 at every enqueue. Results, progress and artifact keys of any other are refused. */
export const Fence = z.int().min(1)

/** The job that a task belongs to. */
export function jobIdOf(taskId: TaskId): JobId {
  return JobId.parse(taskId.slice(0, taskId.indexOf('.')))
}

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'

/**
 * A time-sortable identifier: 10 characters of milliseconds, 16 of randomness, in Crockford's base 32 (the ULID layout).
 * `randomBytes` are at least 16 bytes from a cryptographic source.
 */
export function newId(
  prefix: 'job' | 'agent' | 'token' | 'upload' | 'session' | 'op',
  nowMs: number,
  randomBytes: Uint8Array,
): string {
  let time = ''
  for (let rest = nowMs, index = 0; index < 10; index++, rest = Math.floor(rest / 32)) {
    time = `${CROCKFORD[rest % 32]}${time}`
  }
  const random = Array.from(randomBytes.subarray(0, 16), (byte) => CROCKFORD[byte % 32]).join('')
  return `${prefix}_${time}${random}`
}
