import type { JobParameters, PlannedTask } from '#core/dag.ts'
import { planTasks, stageRequirements } from '#core/dag.ts'
import { select } from '#core/select.ts'
import type { CreateJobFields } from '#protocol/api.ts'
import type { JobId, Pool } from '#protocol/ids.ts'
import { catalog } from '../catalog.ts'
import type { Bindings } from '../env.ts'
import { ProblemError } from '../problem-error.ts'

/** What a job will do: its parameters from the form, and its tasks once every stage has found an engine. */
export function parametersOf(fields: CreateJobFields): JobParameters {
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
export async function plan(
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
