import type { Catalog } from '#protocol/catalog.ts'
import type { AnnouncedEngine, AnnouncedModel } from '#protocol/engine.ts'
import type { EngineId, ModelId } from '#protocol/ids.ts'
import { speaks } from '#protocol/language.ts'
import type { EngineReason } from '#protocol/problem.ts'
import type { Requirements } from '#protocol/task.ts'
import { alternatives, type CatalogAlternative } from './alternatives.ts'

/**
 * Which engine and model can run a task: hard filters, then ranking. Pure: it sees what runs (announced engines) and
 * what could run (the catalog), and changes nothing.
 */
export interface RunningEngine {
  readonly agentId: string
  readonly engine: AnnouncedEngine
}

export interface Choice {
  readonly agentId: string
  readonly engine: AnnouncedEngine
  readonly model: AnnouncedModel | null
}

/** What makes one capable engine better than another. */
export interface Wishes {
  /** Native word times and diarization spare a stage. */
  readonly wordTimestamps: boolean
  readonly diarization: boolean
  /** A stage each: an engine that covers several ranks last. */
  readonly modular: boolean
  /** Seconds of work for a second of audio, as measured; null where nobody measured. */
  readonly rtf: (engineId: EngineId, modelId: ModelId | null) => number | null
}

export const NO_WISHES: Wishes = {
  wordTimestamps: false,
  diarization: false,
  modular: false,
  rtf: () => null,
}

export interface NoCapableEngine {
  readonly requirements: Requirements
  readonly runningEngines: readonly EngineReason[]
  readonly catalogAlternatives: readonly CatalogAlternative[]
}

export type Selection =
  | { readonly ok: true; readonly choice: Choice }
  | { readonly ok: false; readonly error: NoCapableEngine }

export type Fit =
  | { readonly fits: true; readonly model: AnnouncedModel | null }
  | { readonly fits: false; readonly reason: string }

/** The reasons of so many engines are told; a fleet has more than a reader wants. */
const MAX_REASONS = 50

/** The best running engine for the requirements, or why there is none and what would help. */
export function select(
  requirements: Requirements,
  running: Iterable<RunningEngine>,
  catalog: Catalog,
  wishes: Wishes = NO_WISHES,
): Selection {
  const reasons: EngineReason[] = []
  let best: Choice | null = null
  for (const { agentId, engine } of running) {
    let reason = null
    for (const model of candidates(engine, requirements)) {
      const problem = problemOf(requirements, engine, model)
      if (problem !== null) reason = problem
      else {
        const choice = { agentId, engine, model }
        if (best === null || isBetter(choice, best, requirements, wishes)) best = choice
      }
    }
    if (reason !== null && reasons.length < MAX_REASONS) {
      reasons.push({ engine_id: engine.manifest.id, agent_id: agentId, reason })
    }
  }
  if (best !== null) return { ok: true, choice: best }
  const engines = new Set<string>(reasons.map(({ engine_id }) => engine_id))
  const catalogAlternatives = alternatives(requirements, catalog, engines)
  return { ok: false, error: { requirements, runningEngines: reasons, catalogAlternatives } }
}

/** Whether an engine meets the requirements, and with which of its models. */
export function fits(requirements: Requirements, engine: AnnouncedEngine): Fit {
  let best: Choice | null = null
  let reason = ''
  for (const model of candidates(engine, requirements)) {
    const problem = problemOf(requirements, engine, model)
    const choice = { agentId: '', engine, model }
    if (problem !== null) reason = problem
    else if (best === null || isBetter(choice, best, requirements, NO_WISHES)) best = choice
  }
  return best === null ? { fits: false, reason } : { fits: true, model: best.model }
}

/**
 * Null stands for the engine itself: without weights it answers for what else its models answer for. Of a model that is
 * asked for by name the reason counts, should it not do, and no other model's.
 */
function candidates(
  { manifest, models }: AnnouncedEngine,
  { model_id }: Requirements,
): readonly (AnnouncedModel | null)[] {
  if (!manifest.needs_model || models.length === 0) return [null]
  const named = models.filter(({ id }) => id === model_id)
  return named.length > 0 ? named : models
}

function problemOf(
  requirements: Requirements,
  { manifest }: AnnouncedEngine,
  model: AnnouncedModel | null,
): string | null {
  const { capabilities } = manifest
  if (!manifest.stages.includes(requirements.stage)) {
    return `does not serve ${requirements.stage} (it serves ${manifest.stages.join(', ')})`
  }
  if (!manifest.interfaces.includes(requirements.streaming ? 'realtime' : 'batch')) {
    return `does not serve ${requirements.streaming ? 'realtime' : 'batch'}`
  }
  if (requirements.engine_id !== null && requirements.engine_id !== manifest.id) {
    return `the job asks for engine ${requirements.engine_id}`
  }
  if (requirements.split_channels && !capabilities.split_channels) return 'cannot split channels'
  if (requirements.streaming && !capabilities.native_streaming) return 'does not stream'
  if (manifest.needs_model && model === null) return 'has no model'
  if (requirements.model_id !== null && requirements.model_id !== model?.id) {
    return `does not have model ${requirements.model_id}`
  }
  const by = model === null ? '' : ` by ${model.id}`
  const { languages } = model ?? capabilities
  if (requirements.language !== null && !speaks(languages, requirements.language)) {
    return `language '${requirements.language}' not supported${by} (has: ${languages?.join(', ')})`
  }
  const { word_timestamps, diarization, translation } = model ?? capabilities
  const name = model === null ? '' : `${model.id} `
  if (requirements.word_timestamps && !word_timestamps) return `${name}gives no word timestamps`
  if (requirements.diarization && !diarization) return `${name}does not tell speakers apart`
  if (requirements.translation && !translation) return `${name}does not translate`
  return null
}

function isBetter(a: Choice, b: Choice, requirements: Requirements, wishes: Wishes): boolean {
  const [ours, theirs] = [rank(a, requirements, wishes), rank(b, requirements, wishes)]
  const index = ours.findIndex((value, place) => value !== theirs[place])
  return index >= 0 && (ours[index] ?? 0) > (theirs[index] ?? 0)
}

/**
 * What counts, most important first: a real model before the embedded one; the
 * one that its catalog puts in front; what spares a stage; for a named language a
 * model made for few, else one for any; loaded before on disk; fast before slow.
 */
function rank({ engine, model }: Choice, requirements: Requirements, wishes: Wishes): readonly number[] {
  const { manifest } = engine
  const { languages, word_timestamps, diarization } = model ?? manifest.capabilities
  const isUniversal = languages === null
  const rtf = wishes.rtf(manifest.id, model?.id ?? null)
  return [
    Number(model?.embedded !== true),
    Number(model?.preferred === true),
    Number(wishes.modular && manifest.stages.length === 1),
    Number(wishes.wordTimestamps && word_timestamps),
    Number(wishes.diarization && !wishes.modular && diarization),
    Number(requirements.language === null ? isUniversal : !isUniversal),
    Number(model?.loaded === true),
    rtf === null ? Number.NEGATIVE_INFINITY : -rtf,
  ]
}
