import { z } from 'zod'
import { AnnouncedEngine } from './engine.ts'
import { AgentId, JobId, JoinTokenId, ModelId, Pool, UploadId } from './ids.ts'
import { JobStatus, JobSummary, JobView } from './job.ts'
import { CatalogModel, ModelFile } from './model.ts'
import { Stage } from './stage.ts'
import { Segment, Word } from './transcript.ts'

/** 201 of a submit. */
export const CreatedJob = z.strictObject({
  id: JobId,
  status: JobStatus,
  name: z.string().nullable(),
  created_at: z.iso.datetime(),
  /** Engine and model that were selected for each stage; empty while the job waits for one. */
  stages: z.array(
    z.strictObject({ stage: Stage, engine_id: z.string().nullable(), model_id: ModelId.nullable() }),
  ),
})
export type CreatedJob = z.infer<typeof CreatedJob>

/** `GET /v1/audio/transcriptions/{id}`: the view, and for a completed job its transcript. */
export const JobDocument = JobView.extend({
  text: z.string().nullable(),
  segments: z.array(Segment).nullable(),
  words: z.array(Word).nullable(),
})
export type JobDocument = z.infer<typeof JobDocument>

export const JobList = z.strictObject({
  jobs: z.array(JobSummary),
  cursor: z.string().nullable(),
  has_more: z.boolean(),
})
export type JobList = z.infer<typeof JobList>

export const ListJobsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().max(200).optional(),
  status: JobStatus.optional(),
})

export const EXPORT_FORMATS = ['txt', 'srt', 'vtt', 'json'] as const
export const ExportFormat = z.enum(EXPORT_FORMATS)
export type ExportFormat = z.infer<typeof ExportFormat>

/** `POST /v1/uploads`: for recordings over 100 MB, or on bad lines. All parts but the last have `part_size_bytes`. */
export const CreateUpload = z.strictObject({
  file_name: z.string().min(1).max(300),
  size_bytes: z
    .int()
    .min(1)
    .max(20 * 1024 ** 3),
})
export const UploadView = z.strictObject({
  id: UploadId,
  file_name: z.string(),
  size_bytes: z.int(),
  part_size_bytes: z.int(),
  part_count: z.int(),
  received_parts: z.array(z.int()),
  completed: z.boolean(),
})
export type UploadView = z.infer<typeof UploadView>

export const EngineStatus = z.enum(['ready', 'busy', 'draining', 'offline', 'unhealthy'])
export type EngineStatus = z.infer<typeof EngineStatus>

/** One engine on one agent: batch and realtime together. */
export const EngineView = AnnouncedEngine.extend({
  engine_id: z.string(),
  agent_id: AgentId,
  agent_name: z.string(),
  status: EngineStatus,
  /** Why it gets no task now, in words; null when it is ready. */
  why: z.string().nullable(),
  running_tasks: z.int().min(0),
  active_sessions: z.int().min(0),
  queued_tasks: z.int().min(0),
})
export type EngineView = z.infer<typeof EngineView>
export const EngineList = z.strictObject({ engines: z.array(EngineView) })

export const ModelView = CatalogModel.extend({
  /** Empty for a model that only agents know. */
  files: z.array(ModelFile),
  /** Agents that can serve it now, and of those the ones that hold it in memory. */
  available_on: z.array(AgentId),
  loaded_on: z.array(AgentId),
  pinned_on: z.array(AgentId),
})
export type ModelView = z.infer<typeof ModelView>
export const ModelList = z.strictObject({ models: z.array(ModelView) })

export const AgentView = z.strictObject({
  id: AgentId,
  name: z.string(),
  pool: Pool,
  status: z.enum(['online', 'suspect', 'draining', 'offline']),
  /** Why it is not online, in words; null when it is. */
  why: z.string().nullable(),
  version: z.string().nullable(),
  platform: z.string().nullable(),
  slots: z.int().min(0),
  running_tasks: z.int().min(0),
  engines: z.array(z.string()),
  connected_at: z.iso.datetime().nullable(),
  last_seen_at: z.iso.datetime().nullable(),
})
export type AgentView = z.infer<typeof AgentView>
export const AgentList = z.strictObject({ agents: z.array(AgentView) })

/** `POST /v1/agents/{id}/drain`: no more tasks for it; with `leave` it also finishes what it runs and ends. */
export const DrainAgent = z.strictObject({
  reason: z.string().trim().min(1).max(200).default('no reason given'),
  leave: z.boolean().default(false),
})
export type DrainAgent = z.infer<typeof DrainAgent>

/** `POST /v1/agents/tokens` */
export const CreateJoinToken = z.strictObject({
  pool: Pool.optional(),
  expires_in_seconds: z
    .int()
    .min(60)
    .max(365 * 86_400)
    .default(86_400),
})
export const CreatedJoinToken = z.strictObject({
  id: JoinTokenId,
  /** Shown once. */
  token: z.string(),
  pool: Pool,
  expires_at: z.iso.datetime(),
})
export type CreatedJoinToken = z.infer<typeof CreatedJoinToken>

/** `GET /v1/agents/tokens`: everything but the secret. */
export const JoinTokenView = z.strictObject({
  id: JoinTokenId,
  /** Both empty for tokens that were made before they were kept. */
  prefix: z.string(),
  last_four: z.string(),
  pool: Pool,
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
  /** How many agents joined with it. */
  used_count: z.int().min(0),
  revoked_at: z.iso.datetime().nullable(),
})
export type JoinTokenView = z.infer<typeof JoinTokenView>
export const JoinTokenList = z.strictObject({ tokens: z.array(JoinTokenView) })

/** `POST /agent/v1/join`, with the join token as bearer. */
export const JoinRequest = z.strictObject({ name: z.string().min(1).max(100) })
export const Joined = z.strictObject({ agent_id: AgentId, pool: Pool, credential: z.string() })
export type Joined = z.infer<typeof Joined>

/** `POST /agent/v1/credential`: a new credential. The one that asked is good until this one is used, or for a day. */
export const RotatedCredential = z.strictObject({ agent_id: AgentId, credential: z.string() })

export const Health = z.strictObject({
  status: z.enum(['healthy', 'unhealthy']),
  version: z.string(),
  checks: z.strictObject({
    d1: z.enum(['ok', 'failed']),
    r2: z.enum(['ok', 'failed']),
    registry: z.enum(['ok', 'failed']),
  }),
  agents_online: z.int().min(0).nullable(),
})
export type Health = z.infer<typeof Health>

/** `POST /v1/console/links`: a one-time sign-in link for the console. */
export const SignInLink = z.strictObject({ url: z.string(), expires_at: z.iso.datetime() })
