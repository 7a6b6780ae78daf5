import type { Catalog } from '#protocol/catalog.ts'
import type { EngineId, ModelId } from '#protocol/ids.ts'
import { ALWAYS_REQUIRED, STAGES, type Stage } from '#protocol/stage.ts'
import type { Requirements } from '#protocol/task.ts'
import { asksRedaction, type JobParameters } from './parameters.ts'
import { type NoCapableEngine, type RunningEngine, type Selection, select } from './select.ts'
import type { Speed } from './speed.ts'
import { asksLanguage, languageOf } from './text-language.ts'

/**
 * Which engine each stage of a job gets, and so which stages there are: native word times need no align, native
 * diarization no diarize. Pure; dag.ts draws the graph of what is chosen here.
 */
export interface Pipeline {
  readonly stages: readonly ChosenStage[]
  /** Optional stages that nothing can run now: left out, and the transcript says so. */
  readonly skipped: readonly SkippedStage[]
  /** What was asked and will have no effect. Absent in jobs of before it was told. */
  readonly unused?: readonly Unused[]
}

/** The engine in front, and what any other that takes the task must bring as well. */
export interface ChosenStage {
  readonly engineId: EngineId
  readonly requirements: Requirements
  /** The model in front; a stage that must keep to it has it in its requirements. */
  readonly modelId: ModelId | null
  /** Of the model in front, where it has one only. Absent in jobs of before it was kept. */
  readonly language?: string | null
  readonly speed: Speed | null
}

export interface Unused {
  readonly code: 'vocabulary_unused' | 'prompt_unused'
  readonly message: string
}

export interface SkippedStage {
  readonly stage: Stage
  readonly reason: string
}

export type PipelineChoice =
  | { readonly ok: true; readonly pipeline: Pipeline }
  | { readonly ok: false; readonly error: NoCapableEngine }

/** Thrown inside this file alone: the stage that cannot do without an engine ends the whole choice. */
class Unavailable extends Error {
  readonly error: NoCapableEngine
  constructor(error: NoCapableEngine) {
    super('no capable engine')
    this.error = error
  }
}

export function choosePipeline(
  parameters: JobParameters,
  running: readonly RunningEngine[],
  catalog: Catalog,
  options: { readonly speedOf?: SpeedOf; readonly kept?: Kept | null } = {},
): PipelineChoice {
  try {
    const { speedOf = () => null, kept = null } = options
    return { ok: true, pipeline: choose(parameters, { running, catalog, speedOf, kept }) }
  } catch (cause) {
    if (cause instanceof Unavailable) return { ok: false, error: cause.error }
    throw cause
  }
}

export function transcriberOf({ stages }: Pick<Pipeline, 'stages'>): ChosenStage | null {
  return stages.find(({ requirements }) => requirements.stage === 'transcribe') ?? null
}

interface Offer {
  readonly running: readonly RunningEngine[]
  readonly catalog: Catalog
  readonly speedOf: SpeedOf
  readonly kept: Kept | null
}

/** What a rerun has done already: these stages need no engine, and stay what they were. */
export interface Kept {
  readonly fromStage: Stage
  readonly stages: readonly Stage[]
  readonly pipeline: Pipeline | null
}

/** How fast an engine runs a stage with a model, as far as it was measured. */
export type SpeedOf = (stage: Stage, engineId: EngineId, modelId: ModelId | null) => Speed | null

function choose(parameters: JobParameters, offer: Offer): Pipeline {
  const stages: ChosenStage[] = []
  const skipped: SkippedStage[] = []
  const add = (stage: Stage) => {
    const known = keptStage(offer, stage)
    if (known !== null) {
      stages.push(known)
      return
    }
    const requirements = requirementsOf(stage, parameters, transcriberOf({ stages }))
    const found = selectFor(requirements, parameters, offer)
    if (found.ok) stages.push(chosen(requirements, found, offer))
    else if (!mayBeSkipped(stage, parameters)) throw new Unavailable(found.error)
    else skipped.push({ stage, reason: reasonOf(found.error) })
  }
  add('prepare')
  const transcribe = keptStage(offer, 'transcribe') ?? chooseTranscriber(parameters, offer)
  stages.push(transcribe)
  const { word_timestamps, diarization } = transcribe.requirements
  if (parameters.granularity === 'word' && !word_timestamps) {
    if (transcribe.requirements.translation) skipped.push({ stage: 'align', reason: NOT_SPOKEN })
    else add('align')
  }
  if (parameters.speakerDetection === 'diarize' && !diarization) add('diarize')
  for (const stage of parameters.enrichment) if (stage !== 'refine') add(stage)
  if (asksRedaction(parameters)) add('pii_detect')
  if (parameters.redactPiiAudio) add('audio_redact')
  if (parameters.enrichment.includes('refine')) add('refine')
  return { stages, skipped, unused: unusedBy(transcribe, parameters, offer) }
}

const NOT_SPOKEN = 'the words of a translation are not spoken in the recording'

/** Words for the transcriber that it can do nothing with. */
function unusedBy({ engineId }: ChosenStage, { speech }: JobParameters, { running }: Offer): Unused[] {
  const engine = running.find((one) => one.engine.manifest.id === engineId)?.engine
  if (engine === undefined || speech === undefined) return []
  const { vocabulary } = engine.manifest.capabilities
  const unused: Unused[] = []
  if (speech.vocabulary.length > 0 && vocabulary === 'none') {
    unused.push({ code: 'vocabulary_unused', message: `The engine ${engineId} takes no vocabulary.` })
  }
  if (speech.prompt !== null && vocabulary !== 'prompt') {
    unused.push({ code: 'prompt_unused', message: `The engine ${engineId} takes no prompt.` })
  }
  return unused
}

/** A stage that a rerun takes over. Whatever comes after the stage that it begins with is chosen anew. */
function keptStage({ kept }: Offer, stage: Stage): ChosenStage | null {
  if (kept === null || !kept.stages.includes(stage)) return null
  if (STAGES.indexOf(stage) >= STAGES.indexOf(kept.fromStage)) return null
  return kept.pipeline?.stages.find(({ requirements }) => requirements.stage === stage) ?? null
}

/** What the transcriber brings of itself becomes a requirement: the shape relies on it, whoever runs the task. */
function chooseTranscriber(parameters: JobParameters, offer: Offer): ChosenStage {
  const { enginePreference } = parameters
  const isModular = enginePreference === 'modular'
  const asked = {
    ...requirementsOf('transcribe', parameters, null),
    engine_id: isModular ? null : enginePreference,
  }
  const found = selectFor(asked, parameters, offer)
  if (!found.ok) throw new Unavailable(found.error)
  const { engine, model } = found.choice
  const { word_timestamps, diarization } = model ?? engine.manifest.capabilities
  const requirements: Requirements = {
    ...asked,
    // A job keeps to one model, whichever agents run its tasks.
    model_id: model?.id ?? asked.model_id,
    word_timestamps: parameters.granularity === 'word' && word_timestamps,
    diarization: parameters.speakerDetection === 'diarize' && !isModular && diarization,
  }
  return chosen(requirements, found, offer)
}

function selectFor(requirements: Requirements, parameters: JobParameters, offer: Offer): Selection {
  const { running, catalog, speedOf } = offer
  const transcribes = requirements.stage === 'transcribe'
  return select(requirements, running, catalog, {
    wordTimestamps: transcribes && parameters.granularity === 'word',
    diarization: transcribes && parameters.speakerDetection === 'diarize',
    modular: parameters.enginePreference === 'modular',
    rtf: (engineId, modelId) => speedOf(requirements.stage, engineId, modelId)?.rtf ?? null,
  })
}

function chosen(
  requirements: Requirements,
  { choice }: Extract<Selection, { ok: true }>,
  { speedOf }: Offer,
): ChosenStage {
  const engineId = choice.engine.manifest.id
  const modelId = choice.model?.id ?? null
  const [language = null, ...others] = choice.model?.languages ?? []
  return {
    engineId,
    requirements,
    modelId,
    language: others.length === 0 ? language : null,
    speed: speedOf(requirements.stage, engineId, modelId),
  }
}

function requirementsOf(
  stage: Stage,
  parameters: JobParameters,
  transcriber: ChosenStage | null,
): Requirements {
  return {
    stage,
    engine_id: null,
    model_id: parameters.models[stage] ?? null,
    language: asksLanguage(stage) ? languageOf(stage, parameters, transcriber) : null,
    word_timestamps: false,
    diarization: false,
    translation: stage === 'transcribe' && parameters.speech?.task === 'translate',
    split_channels: stage === 'prepare' && parameters.speakerDetection === 'per_channel',
    streaming: false,
  }
}

/**
 * Nobody asks for align by name, so it may be missing; what was asked for by name may only when the caller said
 * `required: false`.
 */
function mayBeSkipped(stage: Stage, { required }: JobParameters): boolean {
  if (ALWAYS_REQUIRED.has(stage)) return false
  return stage === 'align' ? required.align !== true : required[stage] === false
}

function reasonOf({ runningEngines, requirements }: NoCapableEngine): string {
  const serving = runningEngines.filter(({ reason }) => !reason.startsWith('does not serve'))
  if (serving.length === 0) return `no engine for ${requirements.stage} runs`
  return serving
    .map(({ engine_id, reason }) => `${engine_id}: ${reason}`)
    .join('; ')
    .slice(0, 300)
}
