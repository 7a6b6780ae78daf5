import { planTasks } from '#core/dag.ts'
import { jobPrefix } from '#core/dispatch.ts'
import type { JobSpec, TraceContext } from '#core/job/facts.ts'
import { parseTraceparent } from '#core/traceparent.ts'
import type { CreatedJob } from '#protocol/api.ts'
import { JobId, newId, type Pool } from '#protocol/ids.ts'
import type { JobView } from '#protocol/job.ts'
import type { CreateJobFields } from '#protocol/submit.ts'
import type { Artifact } from '#protocol/task.ts'
import { deletePrefix } from '#store/artifacts.ts'
import { findJob } from '#store/jobs.ts'
import { PartWriter } from '#store/part-writer.ts'
import { type Bindings, settingsOf } from '../env.ts'
import { ProblemError } from '../problem-error.ts'
import { randomBytes } from './access.ts'
import type { Caller } from './caller.ts'
import { choose, parametersOf } from './job-plan.ts'
import { takeUpload } from './uploads.ts'

/** One submit while its body arrives. The file may come before the fields: bytes are stored before they are understood. */
export class Submission {
  readonly #env: Bindings
  readonly #caller: Caller
  readonly #trace: TraceContext
  #jobId = JobId.parse(newId('job', Date.now(), randomBytes(16)))
  #file: { readonly name: string; readonly writer: PartWriter } | null = null

  constructor(env: Bindings, caller: Caller, trace: TraceContext) {
    this.#trace = trace
    this.#env = env
    this.#caller = caller
  }

  openFile(name: string): void {
    if (this.#file !== null)
      throw new ProblemError('invalid_request', 'Expected one `file`, got more than one.')
    const key = `${jobPrefix(this.#jobId)}upload`
    this.#file = { name, writer: new PartWriter(this.#env.BUCKET, key, 'application/octet-stream') }
  }

  async writeFile(bytes: Uint8Array): Promise<void> {
    await this.#file?.writer.write(bytes)
  }

  /** Validate, select, create. The answer means that the job is durable. */
  async finish(fields: CreateJobFields): Promise<CreatedJob> {
    const { upload, fileName, known, stored } = await this.#takeAudio(fields)
    if (known !== null) return createdJob(known)
    const pool = fields.pool ?? this.#caller.pool
    const { pipeline, parameters } = await both(this.#plan(fields, pool), stored)
    const spec: JobSpec = {
      jobId: this.#jobId,
      tenantId: this.#caller.tenantId,
      pool,
      name: fields.name ?? fileName,
      fileName,
      modelRequested: fields.model,
      languageRequested: fields.language,
      parameters,
      upload,
      keyId: this.#caller.keyId,
      pipeline,
      tasks: pipeline === null ? [] : planTasks(this.#jobId, parameters, pipeline, null),
      trace: this.#trace,
      reuse: null,
    }
    return createJob(this.#env, spec, this.#file !== null)
  }

  /** Nothing of a submit that failed stays behind. */
  async abort(): Promise<void> {
    if (this.#file === null) return
    await this.#file.writer.abort()
    await deletePrefix(this.#env.BUCKET, jobPrefix(this.#jobId))
  }

  #plan(fields: CreateJobFields, pool: Pool): ReturnType<typeof choose> {
    return choose(this.#env, parametersOf(fields, settingsOf(this.#env)), pool)
  }

  /** `stored`: when the last bytes are in R2, which nothing else has to wait for. */
  async #takeAudio(fields: CreateJobFields): Promise<Audio> {
    if (fields.upload_id !== undefined) {
      if (this.#file !== null)
        throw new ProblemError('invalid_request', 'Expected `file` or `upload_id`, got both.')
      const taken = await takeUpload(this.#env, this.#caller, fields.upload_id)
      this.#jobId = taken.jobId
      return { ...taken, known: await this.#known(), stored: Promise.resolve() }
    }
    if (this.#file === null) {
      throw new ProblemError(
        'invalid_request',
        'Expected a `file` part with the recording (or an `upload_id`), got none.',
      )
    }
    const { name, writer } = this.#file
    if (writer.sizeBytes === 0) {
      throw new ProblemError(
        'invalid_audio',
        `The file ${name === '' ? '' : `"${name}" `}is empty: expected a recording.`,
      )
    }
    const key = `${jobPrefix(this.#jobId)}upload`
    const upload = {
      name: 'upload',
      key,
      size_bytes: writer.sizeBytes,
      content_type: 'application/octet-stream',
    }
    return { upload, fileName: name === '' ? null : name.slice(0, 300), known: null, stored: writer.finish() }
  }

  /** The job that an earlier submit of the same upload made. */
  async #known(): Promise<JobView | null> {
    const status = await findJob(this.#env.DB, this.#caller.tenantId, this.#jobId)
    const reading = status === null ? null : await this.#env.JOB.getByName(this.#jobId).read()
    return reading?.view ?? null
  }
}

interface Audio {
  readonly upload: Artifact
  readonly fileName: string | null
  readonly known: JobView | null
  readonly stored: Promise<void>
}

/** Both have ended when one has failed: what is left behind is then all that will be. */
async function both<Result>(work: Promise<Result>, other: Promise<void>): Promise<Result> {
  await Promise.allSettled([work, other])
  await other
  return work
}

/**
 * A job that cannot be found again must not run: when its row could not be written it is cancelled. One made of an upload
 * goes on, since submitting the upload again finds it.
 */
export async function createJob(
  env: Bindings,
  spec: JobSpec,
  isCancelledUnfound: boolean,
): Promise<CreatedJob> {
  const job = env.JOB.getByName(spec.jobId)
  const view = await job.create(spec)
  if (view !== null) return createdJob(view)
  if (isCancelledUnfound) await job.tell({ type: 'cancel' })
  const detail = 'The job could not be written to the index. Nothing is lost: submit it again.'
  throw new ProblemError('unavailable', detail, {}, { 'retry-after': '2' })
}

/** The caller's trace goes on in the job; without one the job begins its own. */
export function traceOf(request: Request): TraceContext {
  const parent = parseTraceparent(request.headers.get('traceparent'))
  if (parent !== null) return parent
  const traceId = Array.from(randomBytes(16), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return { traceId, parentSpanId: null }
}

function createdJob({ id, status, name, created_at, stages }: JobView): CreatedJob {
  const chosen = stages.map(({ stage, engine_id, model_id }) => ({ stage, engine_id, model_id }))
  return { id, status, name, created_at, stages: chosen }
}
