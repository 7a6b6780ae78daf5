import type { EngineView, ModelView } from '#protocol/api.ts'
import type { AnnouncedModel } from '#protocol/engine.ts'
import type { AgentId } from '#protocol/ids.ts'
import type { CatalogModel } from '#protocol/model.ts'

/** What could run and what does: the catalog's models with the agents that have them, then models that only agents know. Pure. */
export function modelViews(catalog: readonly CatalogModel[], engines: readonly EngineView[]): ModelView[] {
  const holdersOf = new Map<string, Holder[]>()
  for (const engine of engines) {
    for (const model of engine.models) {
      const holders = holdersOf.get(model.id) ?? []
      holders.push({ agentId: engine.agent_id, engine, model })
      holdersOf.set(model.id, holders)
    }
  }
  const known = catalog.map((model) => withHolders(model, holdersOf.get(model.id) ?? []))
  const ids = new Set<string>(catalog.map(({ id }) => id))
  const own = [...holdersOf].flatMap(([id, holders]) => {
    const [first] = holders
    return ids.has(id) || first === undefined ? [] : [withHolders(entryOf(first), holders)]
  })
  return [...known, ...own]
}

interface Holder {
  readonly agentId: AgentId
  readonly engine: EngineView
  readonly model: AnnouncedModel
}

function withHolders(model: CatalogModel, holders: readonly Holder[]): ModelView {
  const agentsThat = (does: (model: AnnouncedModel) => boolean) =>
    holders.filter((holder) => does(holder.model)).map(({ agentId }) => agentId)
  return {
    ...model,
    available_on: agentsThat(() => true),
    loaded_on: agentsThat(({ loaded }) => loaded),
    pinned_on: agentsThat(({ pinned }) => pinned),
  }
}

/** All that an announcement tells of a model that the catalog does not have. */
function entryOf({ engine, model }: Holder): CatalogModel {
  const { manifest } = engine
  return {
    id: model.id,
    name: model.id,
    description: `Known to ${engine.agent_name} only.`,
    aliases: [],
    engine: manifest.id,
    runtime_model_id: model.runtime_model_id,
    stage: manifest.stages[0] ?? 'transcribe',
    source: { kind: 'folder' },
    files: [],
    precision: null,
    languages: model.languages,
    capabilities: {
      word_timestamps: model.word_timestamps,
      punctuation: false,
      capitalization: false,
      streaming: false,
      translation: model.translation,
      diarization: model.diarization,
    },
    hardware: { gpu_required: false, min_ram_mb: model.memory_mib, min_vram_mb: null },
    published: [],
    license: 'unknown',
    embedded: model.embedded,
    preferred: model.preferred,
    verified: false,
  }
}
