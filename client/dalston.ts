import type { z } from 'zod'
import {
  AgentList,
  AgentView,
  CreatedJob,
  CreatedJoinToken,
  type CreateJoinToken,
  type DrainAgent,
  EngineList,
  type EngineView,
  type ExportFormat,
  Health,
  JobDocument,
  JobList,
  JoinTokenList,
  type JoinTokenView,
  ModelList,
  ModelView,
  SignInLink,
} from '#protocol/api.ts'
import { foldEvent, type LiveJob } from '#protocol/events.ts'
import type { UploadId } from '#protocol/ids.ts'
import { type JobStatus, type JobSummary, JobView } from '#protocol/job.ts'
import { type CreateModelOperation, ModelOperationView } from '#protocol/model-order.ts'
import type { Stage } from '#protocol/stage.ts'
import { JobTrace } from '#protocol/trace.ts'
import { type EventsOptions, type StreamedEvent, streamEvents } from './events.ts'
import { Connection, type ConnectionOptions, parseJson, refusal } from './http.ts'
import { watchOperation } from './model-operations.ts'
import { formFields, type SubmitFields } from './submit-fields.ts'
import { type UploadOptions, uploadParts } from './upload.ts'

/** Above this the recording goes in parts: the edge takes no larger request body. */
export const SINGLE_REQUEST_BYTES = 100_000_000

export interface SubmitOptions extends UploadOptions {
  readonly fields?: SubmitFields | undefined
  /** Recordings above this many bytes go in parts. */
  readonly singleRequestBytes?: number | undefined
}

interface ModelFilter {
  readonly engineId?: string | undefined
  readonly stage?: string | undefined
}

interface InPool {
  /** Where the operation was begun with one. */
  readonly pool?: string | undefined
}

interface Abortable {
  readonly signal?: AbortSignal | undefined
}

const OPERATIONS = '/v1/models/operations'
const TRANSCRIPTIONS = '/v1/audio/transcriptions'

/**
 * The API of one Dalston server. Runs in browsers, Node and Workers.
 * Every method throws DalstonProblem on a refusal and DalstonUnreachable when nothing answers.
 */
export class Dalston {
  readonly #connection: Connection

  constructor(options: ConnectionOptions) {
    this.#connection = new Connection(options)
  }

  get server(): string {
    return this.#connection.server
  }

  /** Uploads a recording and asks for its transcript. It is not sent twice by itself: that could make two jobs. */
  async submit(file: Blob, fileName: string, options: SubmitOptions = {}): Promise<CreatedJob> {
    const { signal } = options
    const form = new FormData()
    for (const [name, text] of formFields(options.fields ?? {})) form.append(name, text)
    if (options.resume !== undefined || file.size > (options.singleRequestBytes ?? SINGLE_REQUEST_BYTES)) {
      form.append('upload_id', (await this.upload(file, fileName, options)).id)
    } else {
      form.append('file', file, fileName)
    }
    return this.#connection.json(CreatedJob, TRANSCRIPTIONS, { method: 'POST', body: form, signal })
  }

  upload(file: Blob, fileName: string, options: UploadOptions = {}): ReturnType<typeof uploadParts> {
    return uploadParts(this.#connection, file, fileName, options)
  }

  async abortUpload(id: UploadId): Promise<void> {
    await this.#connection.send(`/v1/uploads/${id}`, { method: 'DELETE', repeatable: true })
  }

  get(id: string, options: Abortable = {}): Promise<JobDocument> {
    return this.#connection.json(JobDocument, jobPath(id), options)
  }

  /** Newest first, page by page as it is consumed. */
  async *list(
    filter: { status?: JobStatus | undefined; pageSize?: number | undefined } = {},
  ): AsyncGenerator<JobSummary> {
    const query = new URLSearchParams({ limit: String(filter.pageSize ?? 50) })
    if (filter.status !== undefined) query.set('status', filter.status)
    for (;;) {
      const page = await this.#connection.json(JobList, `${TRANSCRIPTIONS}?${query}`)
      yield* page.jobs
      if (!page.has_more || page.cursor === null) return
      query.set('cursor', page.cursor)
    }
  }

  cancel(id: string): Promise<JobView> {
    return this.#connection.json(JobView, `${jobPath(id)}/cancel`, { method: 'POST' })
  }

  /** A new job of the same recording that begins at a stage; `fields` are what should be otherwise than before. */
  rerun(id: string, fromStage: Stage, fields: SubmitFields = {}): Promise<CreatedJob> {
    const body = jsonBody({ from_stage: fromStage, ...fields })
    return this.#connection.json(CreatedJob, `${jobPath(id)}/rerun`, body)
  }

  /** Where the job spent its time, attempt by attempt. */
  trace(id: string): Promise<JobTrace> {
    return this.#connection.json(JobTrace, `${jobPath(id)}/trace`)
  }

  async delete(id: string): Promise<void> {
    await this.#connection.send(jobPath(id), { method: 'DELETE', repeatable: true })
  }

  /** The finished transcript as a file's text. */
  async export(id: string, format: ExportFormat): Promise<string> {
    return (await this.#connection.send(`${jobPath(id)}/export/${format}`)).text()
  }

  /** Events until the job ended, across disconnects. */
  events(id: string, options: EventsOptions = {}): AsyncGenerator<StreamedEvent, void, void> {
    return streamEvents(this.#connection, `${jobPath(id)}/events`, options)
  }

  /** The job as it stands after each event; the last one is terminal. */
  async *follow(id: string, options: EventsOptions = {}): AsyncGenerator<LiveJob, void, void> {
    let live: LiveJob | null = null
    for await (const { event } of this.events(id, options)) {
      live = foldEvent(live, event)
      if (live !== null) yield live
    }
  }

  async engines(): Promise<readonly EngineView[]> {
    return (await this.#connection.json(EngineList, '/v1/engines')).engines
  }

  /** One engine on every agent that hosts it. */
  async engine(id: string): Promise<readonly EngineView[]> {
    return (await this.#connection.json(EngineList, `/v1/engines/${encodeURIComponent(id)}`)).engines
  }

  /** The catalog, and what only agents know; of one engine or stage where that is given. */
  async models({ engineId, stage }: ModelFilter = {}): Promise<readonly ModelView[]> {
    const query = new URLSearchParams()
    if (engineId !== undefined) query.set('engine_id', engineId)
    if (stage !== undefined) query.set('stage', stage)
    return (await this.#connection.json(ModelList, `/v1/models?${query}`)).models
  }

  /** By id or alias. */
  model(id: string): Promise<ModelView> {
    return this.#connection.json(ModelView, `/v1/models/${encodeURIComponent(id)}`)
  }

  /** Asks something of a model on agents: pull, remove, pin, unpin, prefetch. */
  beginModelOperation(request: z.input<typeof CreateModelOperation>): Promise<ModelOperationView> {
    return this.#connection.json(ModelOperationView, OPERATIONS, jsonBody(request))
  }

  modelOperation(id: string, { pool }: InPool = {}): Promise<ModelOperationView> {
    return this.#connection.json(ModelOperationView, `${OPERATIONS}/${encodeURIComponent(id)}${inPool(pool)}`)
  }

  /** The operation as it stands at each change, until it is over. */
  watchModelOperation(
    id: string,
    { signal, pool }: Abortable & InPool = {},
  ): AsyncGenerator<ModelOperationView, void, void> {
    const path = `${OPERATIONS}/${encodeURIComponent(id)}/events${inPool(pool)}`
    return watchOperation(this.#connection, path, signal ?? null)
  }

  /** Ends what its agents have not done yet; answers how it stands then. */
  cancelModelOperation(id: string, { pool }: InPool = {}): Promise<ModelOperationView> {
    const path = `${OPERATIONS}/${encodeURIComponent(id)}${inPool(pool)}`
    return this.#connection.json(ModelOperationView, path, { method: 'DELETE', repeatable: true })
  }

  async agents(): Promise<readonly AgentView[]> {
    return (await this.#connection.json(AgentList, '/v1/agents')).agents
  }

  agent(id: string): Promise<AgentView> {
    return this.#connection.json(AgentView, agentPath(id))
  }

  /** No more tasks for it; with `leave` it also finishes what it runs and ends. */
  drainAgent(id: string, request: z.input<typeof DrainAgent> = {}): Promise<AgentView> {
    return this.#connection.json(AgentView, `${agentPath(id)}/drain`, {
      ...jsonBody(request),
      repeatable: true,
    })
  }

  undrainAgent(id: string): Promise<AgentView> {
    return this.#connection.json(AgentView, `${agentPath(id)}/undrain`, { ...jsonBody({}), repeatable: true })
  }

  /** Revokes its credential and cuts its connection; what it runs goes to others. */
  async removeAgent(id: string): Promise<void> {
    await this.#connection.send(agentPath(id), { method: 'DELETE', repeatable: true })
  }

  /** Newest first, without the secrets. */
  async joinTokens(): Promise<readonly JoinTokenView[]> {
    return (await this.#connection.json(JoinTokenList, '/v1/agents/tokens')).tokens
  }

  /** Nobody joins with it any more; who did, stays. */
  async revokeJoinToken(id: string): Promise<void> {
    const path = `/v1/agents/tokens/${encodeURIComponent(id)}`
    await this.#connection.send(path, { method: 'DELETE', repeatable: true })
  }

  /** A token with which agents join. */
  createJoinToken(request: z.input<typeof CreateJoinToken> = {}): Promise<CreatedJoinToken> {
    return this.#connection.json(CreatedJoinToken, '/v1/agents/tokens', jsonBody(request))
  }

  /** A link that signs one browser in to the console, once. */
  createSignInLink(): Promise<z.infer<typeof SignInLink>> {
    return this.#connection.json(SignInLink, '/v1/console/links', jsonBody({}))
  }

  /** What the server says of itself, healthy or not; needs no key and is tried once. */
  async health(options: Abortable = {}): Promise<Health> {
    const answer = await this.#connection.sendOnce('/health', options)
    if (!(answer instanceof Response)) throw answer
    const text = await answer.clone().text()
    const health = Health.safeParse(parseJson(text))
    if (health.success) return health.data
    throw await refusal(answer, `GET ${this.server}/health`)
  }
}

function jobPath(id: string): string {
  return `${TRANSCRIPTIONS}/${encodeURIComponent(id)}`
}

function inPool(pool: string | undefined): string {
  return pool === undefined ? '' : `?pool=${encodeURIComponent(pool)}`
}

function agentPath(id: string): string {
  return `/v1/agents/${encodeURIComponent(id)}`
}

function jsonBody(value: unknown) {
  return {
    method: 'POST',
    body: JSON.stringify(value),
    headers: { 'content-type': 'application/json' },
  } as const
}
