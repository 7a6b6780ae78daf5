import type { Catalog } from '#protocol/catalog.ts'
import { speaks } from '#protocol/language.ts'
import type { Requirements } from '#protocol/task.ts'

/** What could run a task that nothing runs now: engines and models of the catalog, and the command that brings them. */
export interface CatalogAlternative {
  readonly engine_id: string
  readonly model_id: string | null
  readonly command: string
}

const COMMAND = 'dalston agent --server URL --token TOKEN'

export function alternatives(requirements: Requirements, catalog: Catalog): CatalogAlternative[] {
  return catalog.engines
    .filter((manifest) => manifest.stages.includes(requirements.stage))
    .filter((manifest) => !requirements.split_channels || manifest.capabilities.split_channels)
    .filter((manifest) => !requirements.streaming || manifest.capabilities.native_streaming)
    .filter((manifest) => requirements.engine_id === null || manifest.id === requirements.engine_id)
    .flatMap((manifest): CatalogAlternative[] => {
      if (!manifest.needs_model) return [{ engine_id: manifest.id, model_id: null, command: COMMAND }]
      return catalog.models
        .filter((model) => model.engine === manifest.id)
        .filter((model) => requirements.model_id === null || model.id === requirements.model_id)
        .filter((model) => requirements.language === null || speaks(model.languages, requirements.language))
        .filter((model) => !requirements.word_timestamps || model.capabilities.word_timestamps)
        .map((model) => ({ engine_id: manifest.id, model_id: model.id, command: COMMAND }))
    })
}
