import type { Catalog } from '#protocol/catalog.ts'
import type { EngineManifest } from '#protocol/engine.ts'
import { speaks } from '#protocol/language.ts'
import type { CatalogModel } from '#protocol/model.ts'
import type { Requirements } from '#protocol/task.ts'

/** What could run a task that nothing runs now: engines and models of the catalog, and the command that brings them. */
export interface CatalogAlternative {
  readonly engine_id: string
  readonly model_id: string | null
  readonly command: string
}

const START_AGENT = 'dalston agent --server URL --token TOKEN'

export function alternatives(
  requirements: Requirements,
  catalog: Catalog,
  running: ReadonlySet<string> = new Set(),
): CatalogAlternative[] {
  return catalog.engines
    .filter((manifest) => couldRun(manifest, requirements))
    .flatMap(({ id, needs_model }): CatalogAlternative[] => {
      if (!needs_model) return [{ engine_id: id, model_id: null, command: START_AGENT }]
      return catalog.models
        .filter((model) => model.engine === id && model.stage === requirements.stage)
        .filter((model) => couldServe(model, requirements))
        .map((model) => ({ engine_id: id, model_id: model.id, command: commandFor(model, running.has(id)) }))
    })
}

/** An agent with the engine lacks the model only; else an agent has to come, and its bundled models with it. */
function commandFor({ id, source }: CatalogModel, engineRuns: boolean): string {
  if (!engineRuns) return START_AGENT
  if (source.kind === 'folder') return `dalston models import ${id} FOLDER`
  return source.kind === 'hub' ? `dalston models pull ${id}` : START_AGENT
}

function couldRun(manifest: EngineManifest, requirements: Requirements): boolean {
  const { stage, engine_id, model_id, language, word_timestamps, diarization, translation } = requirements
  const { capabilities, needs_model } = manifest
  if (!manifest.stages.includes(stage) || (engine_id !== null && manifest.id !== engine_id)) return false
  if (requirements.split_channels && !capabilities.split_channels) return false
  if (requirements.streaming && !capabilities.native_streaming) return false
  if (diarization && !capabilities.diarization) return false
  if (translation && !capabilities.translation) return false
  // What else is asked its models answer for.
  if (needs_model) return true
  if (model_id !== null || (word_timestamps && !capabilities.word_timestamps)) return false
  return language === null || speaks(capabilities.languages, language)
}

function couldServe(model: CatalogModel, requirements: Requirements): boolean {
  const { model_id, language, word_timestamps, translation } = requirements
  const { capabilities } = model
  if (model_id !== null && model.id !== model_id) return false
  if (word_timestamps && !capabilities.word_timestamps) return false
  if (translation && !capabilities.translation) return false
  return language === null || speaks(model.languages, language)
}
