import type { Catalog } from '#protocol/catalog.ts'
import type { AnnouncedEngine, AnnouncedModel } from '#protocol/engine.ts'
import { speaks } from '#protocol/language.ts'
import type { EngineReason } from '#protocol/problem.ts'
import type { Requirements } from '#protocol/task.ts'

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

export interface CatalogAlternative {
  readonly engine_id: string
  readonly model_id: string | null
  readonly command: string
}

export interface NoCapableEngine {
  readonly requirements: Requirements
  readonly runningEngines: readonly EngineReason[]
  readonly catalogAlternatives: readonly CatalogAlternative[]
}

export type Fit =
  | { readonly fits: true; readonly model: AnnouncedModel | null }
  | { readonly fits: false; readonly reason: string }

/** The best running engine for the requirements, or why there is none and what would help. */
export function select(
  requirements: Requirements,
  running: readonly RunningEngine[],
  catalog: Catalog,
): { readonly ok: true; readonly choice: Choice } | { readonly ok: false; readonly error: NoCapableEngine } {
  const reasons: EngineReason[] = []
  let best: Choice | null = null
  for (const { agentId, engine } of running) {
    const fit = fits(requirements, engine)
    if (!fit.fits) {
      reasons.push({ engine_id: engine.manifest.id, agent_id: agentId, reason: fit.reason })
      continue
    }
    const choice = { agentId, engine, model: fit.model }
    if (best === null || rank(choice) > rank(best)) best = choice
  }
  if (best !== null) return { ok: true, choice: best }
  const catalogAlternatives = alternatives(requirements, catalog)
  return { ok: false, error: { requirements, runningEngines: reasons, catalogAlternatives } }
}

/** Whether an engine meets the requirements, and with which of its models. */
export function fits(requirements: Requirements, engine: AnnouncedEngine): Fit {
  const { manifest } = engine
  if (!manifest.stages.includes(requirements.stage)) {
    return no(`does not serve ${requirements.stage} (it serves ${manifest.stages.join(', ')})`)
  }
  if (requirements.engine_id !== null && requirements.engine_id !== manifest.id) {
    return no(`the job asks for engine ${requirements.engine_id}`)
  }
  if (requirements.split_channels && !manifest.capabilities.split_channels) {
    return no('cannot split channels')
  }
  if (manifest.needs_model) return bestModel(requirements, engine)
  const problem = engineProblem(requirements, engine)
  return problem === null ? { fits: true, model: null } : no(problem)
}

/** An engine without weights answers for itself what else its models answer for. */
function engineProblem(requirements: Requirements, { manifest }: AnnouncedEngine): string | null {
  const { languages, word_timestamps } = manifest.capabilities
  if (requirements.model_id !== null) return `does not have model ${requirements.model_id}`
  if (requirements.language !== null && !speaks(languages, requirements.language)) {
    return `language '${requirements.language}' not supported (has: ${languages?.join(', ')})`
  }
  return requirements.word_timestamps && !word_timestamps ? 'gives no word timestamps' : null
}

function bestModel(requirements: Requirements, engine: AnnouncedEngine): Fit {
  if (engine.models.length === 0) return no('has no model')
  let best: AnnouncedModel | null = null
  let reason = ''
  for (const model of engine.models) {
    const problem = modelProblem(requirements, model)
    if (problem !== null) reason = problem
    else if (best === null || modelRank(model) > modelRank(best)) best = model
  }
  return best === null ? no(reason) : { fits: true, model: best }
}

function modelProblem(requirements: Requirements, model: AnnouncedModel): string | null {
  if (requirements.model_id !== null && model.id !== requirements.model_id) {
    return `does not have model ${requirements.model_id}`
  }
  if (requirements.language !== null && !speaks(model.languages, requirements.language)) {
    return `language '${requirements.language}' not supported by ${model.id} (has: ${model.languages?.join(', ')})`
  }
  if (requirements.word_timestamps && !model.word_timestamps) return `${model.id} gives no word timestamps`
  return null
}

/** A real model before the embedded one, a loaded one before one on disk, one for any language before a narrow one. */
function modelRank(model: AnnouncedModel): number {
  return (model.embedded ? 0 : 100) + (model.loaded ? 10 : 0) + (model.languages === null ? 1 : 0)
}

function rank(choice: Choice): number {
  return choice.model === null ? 0 : modelRank(choice.model)
}

function alternatives(requirements: Requirements, catalog: Catalog): CatalogAlternative[] {
  const command = 'dalston agent --server URL --token TOKEN'
  return catalog.engines
    .filter((manifest) => manifest.stages.includes(requirements.stage))
    .filter((manifest) => !requirements.split_channels || manifest.capabilities.split_channels)
    .filter((manifest) => requirements.engine_id === null || manifest.id === requirements.engine_id)
    .flatMap((manifest): CatalogAlternative[] => {
      if (!manifest.needs_model) return [{ engine_id: manifest.id, model_id: null, command }]
      return catalog.models
        .filter((model) => model.engine === manifest.id)
        .filter((model) => requirements.model_id === null || model.id === requirements.model_id)
        .filter((model) => requirements.language === null || speaks(model.languages, requirements.language))
        .filter((model) => !requirements.word_timestamps || model.capabilities.word_timestamps)
        .map((model) => ({ engine_id: manifest.id, model_id: model.id, command }))
    })
}

function no(reason: string): Fit {
  return { fits: false, reason }
}
