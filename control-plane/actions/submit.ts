import type { JobParameters, PlannedTask } from '#core/dag.ts'
import { planTasks, stageRequirements } from '#core/dag.ts'
import { jobPrefix } from '#core/dispatch.ts'
import { select } from '#core/select.ts'
import type { CreatedJob, CreateJobFields } from '#protocol/api.ts'
import { JobId, newId, type Pool } from '#protocol/ids.ts'
import type { Artifact } from '#protocol/task.ts'
import { deletePrefix } from '#store/artifacts.ts'
import { PartWriter } from '#store/part-writer.ts'
import { catalog } from '../catalog.ts'
import type { Bindings } from '../env.ts'
import { ProblemError } from '../problem-error.ts'
import { randomBytes } from './access.ts'
import type { Caller } from './caller.ts'
import { takeUpload } from './uploads.ts'

/** One submit while its body arrives. The file may come before the fields: bytes are stored before they are understood. */
export class Submission {
  readonly #env: Bindings
  readonly #caller: Caller
  #jobId = JobId.parse(newId('job', Date.now(), randomBytes(16)))
  #file: { readonly name: string; readonly writer: PartWriter } | null = null

  constructor(env: Bindings, caller: Caller) {
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
    const { upload, fileName } = await this.#takeAudio(fields)
    const parameters = parametersOf(fields)
    const pool = fields.pool ?? this.#caller.pool
    const tasks = await plan(this.#env, this.#jobId, parameters, pool)
    const view = await this.#env.JOB.getByName(this.#jobId).create({
      jobId: this.#jobId,
      tenantId: this.#caller.tenantId,
      pool,
      name: fields.name ?? fileName,
      fileName,
      modelRequested: fields.model,
      languageRequested: fields.language,
      parameters,
      upload,
      tasks,
    })
    return { id: this.#jobId, status: view.status, name: view.name, created_at: view.created_at }
  }

  /** Nothing of a submit that failed stays behind. */
  async abort(): Promise<void> {
    if (this.#file === null) return
    await this.#file.writer.abort()
    await deletePrefix(this.#env.BUCKET, jobPrefix(this.#jobId))
  }

  async #takeAudio(fields: CreateJobFields): Promise<{ upload: Artifact; fileName: string | null }> {
    if (fields.upload_id !== undefined) {
      if (this.#file !== null)
        throw new ProblemError('invalid_request', 'Expected `file` or `upload_id`, got both.')
      const taken = await takeUpload(this.#env, this.#caller, fields.upload_id)
      this.#jobId = taken.jobId
      return taken
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
    await writer.finish()
    const key = `${jobPrefix(this.#jobId)}upload`
    const upload = {
      name: 'upload',
      key,
      size_bytes: writer.sizeBytes,
      content_type: 'application/octet-stream',
    }
    return { upload, fileName: name === '' ? null : name.slice(0, 300) }
  }
}

function parametersOf(fields: CreateJobFields): JobParameters {
  const model = fields.model === 'auto' ? null : catalog.models.find((entry) => entry.id === fields.model)
  if (model === undefined) {
    const known = catalog.models.map((entry) => entry.id).join(', ')
    const detail = `There is no model "${fields.model}". Known models: ${known}; or auto.`
    throw new ProblemError('model_not_found', detail)
  }
  return {
    modelId: model?.id ?? null,
    language: fields.language === 'auto' ? null : fields.language,
    granularity: fields.timestamps_granularity,
    speakerDetection: fields.speaker_detection,
    piiDetection: fields.pii_detection,
    redactPiiAudio: fields.redact_pii_audio,
  }
}

/** Every stage must find an engine now; `auto` becomes the model that was found, so that a job keeps to one. */
async function plan(
  env: Bindings,
  jobId: JobId,
  parameters: JobParameters,
  pool: Pool,
): Promise<PlannedTask[]> {
  const running = await env.REGISTRY.getByName(`pool:${pool}`).present()
  let { modelId } = parameters
  for (const requirements of stageRequirements(parameters)) {
    const selection = select(requirements, running, catalog)
    if (selection.ok) {
      if (requirements.stage === 'transcribe') modelId = selection.choice.model?.id ?? modelId
      continue
    }
    const { runningEngines, catalogAlternatives } = selection.error
    const running_engines = [...runningEngines]
    const catalog_alternatives = [...catalogAlternatives]
    const { stage } = requirements
    const reasons = running_engines.map((engine) => `${engine.engine_id}: ${engine.reason}`).join('; ')
    const detail =
      running.length === 0
        ? `No agent is connected, so nothing can run ${stage}. Start one: dalston agent --server URL --token TOKEN.`
        : `No running engine can do ${stage} as asked (${reasons}).`
    throw new ProblemError('no_capable_engine', detail, {
      stage,
      requirements,
      running_engines,
      catalog_alternatives,
    })
  }
  return planTasks(jobId, { ...parameters, modelId })
}
