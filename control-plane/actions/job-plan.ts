import { type JobParameters, PLAIN_SPEECH, type Speech } from '#core/parameters.ts'
import type { Kept, Pipeline } from '#core/pipeline.ts'
import { sentenceOf } from '#core/registry/waiting.ts'
import { ModelId, type Pool } from '#protocol/ids.ts'
import type { Settings } from '#protocol/settings.ts'
import { ALWAYS_REQUIRED, STAGES, type Stage } from '#protocol/stage.ts'
import type { CreateJobFields } from '#protocol/submit.ts'
import { catalog } from '../catalog.ts'
import { type Bindings, settingsOf } from '../env.ts'
import { ProblemError } from '../problem-error.ts'
import { queueFull } from './model-operations.ts'

/** What a job will do: its parameters from the form and the settings, and the engines that were found for it. */
export function parametersOf(fields: CreateJobFields, settings: Settings): JobParameters {
  const behavior = fields.unavailable_behavior ?? settings.unavailable_behavior
  const waitSeconds = fields.unavailable_wait_seconds ?? settings.unavailable_wait_seconds
  const asksRedaction = fields.pii_detection || fields.redact_pii_audio
  return {
    models: modelsOf(fields),
    enginePreference: preferenceOf(fields.engine_preference ?? settings.engine_preference),
    language: fields.language === 'auto' ? null : fields.language,
    granularity: fields.timestamps_granularity,
    speech: speechOf(fields),
    speakerDetection: fields.speaker_detection,
    speakers: speakersOf(fields),
    enrichment: ENRICHMENTS.filter((stage) => fields[stage]),
    piiDetection: fields.pii_detection,
    redactPiiAudio: fields.redact_pii_audio,
    redaction: asksRedaction
      ? { entity_types: fields.pii_entity_types ?? null, mode: fields.pii_redaction_mode }
      : null,
    required: overridesOf(fields.pipeline),
    priority: fields.priority,
    unavailable: { behavior, waitMs: Math.round(waitSeconds * 1000) },
  }
}

function speechOf({ task, prompt, vocabulary, temperature }: CreateJobFields): Speech {
  return { task, prompt: prompt ?? null, vocabulary: vocabulary ?? [], temperature: temperature ?? null }
}

function speechAfter(
  base: Speech,
  fields: CreateJobFields,
  has: (...names: (keyof CreateJobFields)[]) => boolean,
): Speech {
  const asked = speechOf(fields)
  return {
    task: has('task') ? asked.task : base.task,
    prompt: has('prompt') ? asked.prompt : base.prompt,
    vocabulary: has('vocabulary') ? asked.vocabulary : base.vocabulary,
    temperature: has('temperature') ? asked.temperature : base.temperature,
  }
}

/**
 * The engines of every stage; null: the job may wait for them, for as long as its parameters say then. Refuses what cannot run now and may not wait.
 */
export async function choose(
  env: Bindings,
  parameters: JobParameters,
  pool: Pool,
  kept: Kept | null = null,
): Promise<{ readonly pipeline: Pipeline | null; readonly parameters: JobParameters }> {
  const choice = await env.REGISTRY.getByName(`pool:${pool}`).select(parameters, kept)
  if (choice.ok) return { pipeline: choice.pipeline, parameters }
  const { autoPull } = choice
  if (autoPull.kind === 'pull' && kept === null)
    return { pipeline: null, parameters: patient(parameters, env) }
  const { requirements, runningEngines, catalogAlternatives } = choice.error
  const { stage, model_id } = requirements
  const isKnown = model_id === null || catalog.models.some((model) => model.id === model_id)
  if (!isKnown) {
    const known = catalog.models.map((model) => model.id).join(', ')
    const detail = `There is no model "${model_id}": neither in the catalog (${known}) nor on any agent. Name one of them, or auto.`
    throw new ProblemError('model_not_found', detail)
  }
  if (parameters.unavailable.behavior === 'wait' && kept === null) return { pipeline: null, parameters }
  if (autoPull.kind === 'full' && kept === null) throw queueFull(autoPull.agents)
  throw new ProblemError('no_capable_engine', sentenceOf(choice.error), {
    stage,
    requirements,
    running_engines: [...runningEngines],
    catalog_alternatives: [...catalogAlternatives],
  })
}

/** A download takes longer than most are willing to wait for an engine. */
function patient(parameters: JobParameters, env: Bindings): JobParameters {
  const leastMs = settingsOf(env).models_auto_pull_seconds * 1000
  const waitMs = Math.max(parameters.unavailable.waitMs, leastMs)
  return { ...parameters, unavailable: { behavior: 'wait', waitMs } }
}

/** An earlier job's parameters with what a rerun wants otherwise. */
export function overridden(
  base: JobParameters,
  fields: CreateJobFields,
  given: ReadonlySet<string>,
  settings: Settings,
): JobParameters {
  const asked = parametersOf(fields, settings)
  const has = (...names: (keyof CreateJobFields)[]) => names.some((name) => given.has(name))
  const pick = <Name extends keyof JobParameters>(name: Name, ...of: (keyof CreateJobFields)[]) =>
    has(...of) ? asked[name] : base[name]
  const models = { ...base.models }
  for (const [stage, field] of MODEL_FIELDS) {
    if (!has(field)) continue
    delete models[stage]
    Object.assign(models, asked.models[stage] === undefined ? {} : { [stage]: asked.models[stage] })
  }
  const redaction = ['pii_detection', 'redact_pii_audio', 'pii_entity_types', 'pii_redaction_mode'] as const
  return {
    models,
    enginePreference: pick('enginePreference', 'engine_preference'),
    language: pick('language', 'language'),
    granularity: pick('granularity', 'timestamps_granularity'),
    speech: speechAfter(base.speech ?? PLAIN_SPEECH, fields, has),
    speakerDetection: pick('speakerDetection', 'speaker_detection'),
    speakers: pick('speakers', 'num_speakers', 'min_speakers', 'max_speakers'),
    enrichment: ENRICHMENTS.filter((stage) => (has(stage) ? fields[stage] : base.enrichment.includes(stage))),
    piiDetection: pick('piiDetection', 'pii_detection'),
    redactPiiAudio: pick('redactPiiAudio', 'redact_pii_audio'),
    redaction: pick('redaction', ...redaction),
    required: pick('required', 'pipeline'),
    priority: pick('priority', 'priority'),
    unavailable: pick('unavailable', 'unavailable_behavior', 'unavailable_wait_seconds'),
  }
}

const ENRICHMENTS = ['detect_emotions', 'detect_events', 'detect_topics', 'refine'] as const

const MODEL_FIELDS = [
  ['transcribe', 'model'],
  ['align', 'model_align'],
  ['diarize', 'model_diarize'],
  ['pii_detect', 'model_pii_detect'],
] as const

function modelsOf(fields: CreateJobFields): Partial<Record<Stage, ModelId>> {
  const models: Partial<Record<Stage, ModelId>> = {}
  for (const [stage, field] of MODEL_FIELDS) {
    if (fields[field] === 'auto') continue
    const name = ModelId.safeParse(fields[field])
    if (!name.success)
      throw new ProblemError('model_not_found', `There is no model "${fields[field]}" (${field}).`)
    models[stage] = catalog.models.find(({ aliases }) => aliases.includes(name.data))?.id ?? name.data
  }
  return models
}

function preferenceOf(
  preference: CreateJobFields['engine_preference'] | null,
): JobParameters['enginePreference'] {
  return preference === undefined || preference === null || preference === 'auto' ? null : preference
}

function speakersOf({
  num_speakers,
  min_speakers,
  max_speakers,
}: CreateJobFields): JobParameters['speakers'] {
  if (num_speakers === undefined && min_speakers === undefined && max_speakers === undefined) return null
  const [min, max] = [min_speakers ?? null, max_speakers ?? null]
  if (min !== null && max !== null && min > max) {
    const detail = `Expected min_speakers to be at most max_speakers, got ${min} and ${max}.`
    throw new ProblemError('invalid_request', detail)
  }
  return { count: num_speakers ?? null, min, max }
}

function overridesOf(pipeline: CreateJobFields['pipeline']): JobParameters['required'] {
  const required: Partial<Record<Stage, boolean>> = {}
  for (const stage of STAGES) {
    const override = pipeline?.stages[stage]?.required
    if (override === undefined) continue
    if (!override && ALWAYS_REQUIRED.has(stage)) {
      const detail = `Stage ${stage} cannot be optional: expected required: true for it, or nothing.`
      throw new ProblemError('invalid_pipeline', detail, {
        errors: [{ pointer: `/pipeline/stages/${stage}/required`, detail: 'expected true' }],
      })
    }
    required[stage] = override
  }
  return required
}
