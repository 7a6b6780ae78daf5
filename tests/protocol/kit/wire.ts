import { createHash } from 'node:crypto'
import { z } from 'zod'
import { AgentMessage, PROTOCOL_VERSION, ServerMessage } from '#protocol/agent-messages.ts'
import * as api from '#protocol/api.ts'
import { EmotionSpan, PiiEntity, SpeakerTurn, TopicSpan } from '#protocol/documents.ts'
import { JobEvent } from '#protocol/events.ts'
import { CreateModelOperation, ModelOperationView } from '#protocol/model-order.ts'
import { Problem } from '#protocol/problem.ts'
import { CreateJobFields } from '#protocol/submit.ts'
import { TaskOutcome } from '#protocol/task.ts'
import { AudioEvent, Segment } from '#protocol/transcript.ts'

/** Everything that others read or write, by name. What agents and servers say to each other comes first. */
const AGENT_WIRE = {
  AgentMessage,
  ServerMessage,
  TaskOutcome,
  SpeakerTurn,
  EmotionSpan,
  AudioEvent,
  TopicSpan,
  PiiEntity,
  Joined: api.Joined,
  JoinRequest: api.JoinRequest,
  RotatedCredential: api.RotatedCredential,
}
const PUBLIC_WIRE = {
  JobEvent,
  Problem,
  Segment,
  CreateJobFields,
  CreatedJob: api.CreatedJob,
  JobDocument: api.JobDocument,
  JobList: api.JobList,
  ListJobsQuery: api.ListJobsQuery,
  CreateUpload: api.CreateUpload,
  UploadView: api.UploadView,
  EngineList: api.EngineList,
  ModelList: api.ModelList,
  CreateModelOperation,
  ModelOperationView,
  AgentList: api.AgentList,
  DrainAgent: api.DrainAgent,
  JoinTokenList: api.JoinTokenList,
  CreateJoinToken: api.CreateJoinToken,
  CreatedJoinToken: api.CreatedJoinToken,
  SignInLink: api.SignInLink,
  Health: api.Health,
}

export interface Fingerprint {
  readonly protocol: number
  readonly agent_wire: Readonly<Record<string, string>>
  readonly public_wire: Readonly<Record<string, string>>
}

/** A short hash of each schema's JSON Schema: the same for the same wire, whatever the order of its keys. */
export function fingerprint(): Fingerprint {
  return { protocol: PROTOCOL_VERSION, agent_wire: hashes(AGENT_WIRE), public_wire: hashes(PUBLIC_WIRE) }
}

function hashes(schemas: Readonly<Record<string, z.ZodType>>): Record<string, string> {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, hash(schema)]))
}

function hash(schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return createHash('sha256')
    .update(JSON.stringify(sorted(json)))
    .digest('hex')
    .slice(0, 16)
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]))
}
