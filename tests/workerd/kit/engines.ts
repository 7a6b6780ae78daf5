import { AnnouncedEngine } from '#protocol/engine.ts'
import { ENGINES } from '#tests/kit/scripted-engines.ts'
import catalog from '../../../control-plane/catalog.json'

/** The project's own engines, and scripted ones for every stage, as an agent announces them. */
export function anEngine(id: string, changes: Partial<AnnouncedEngine> = {}): AnnouncedEngine {
  const own = catalog.engines.find((engine) => engine.id === id)
  const manifest = own ?? ENGINES.find((engine) => engine.manifest.id === id)?.manifest
  return AnnouncedEngine.parse({
    manifest,
    device: 'cpu',
    slots: 1000,
    models: id === 'ctc' ? [aModel()] : [],
    ...changes,
  })
}

export function aModel() {
  return {
    id: 'embedded-en',
    runtime_model_id: 'embedded-en',
    languages: ['en'],
    word_timestamps: true,
    diarization: false,
    memory_mib: 512,
    embedded: true,
    loaded: true,
  }
}
