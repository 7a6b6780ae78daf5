import { AnnouncedEngine } from '#protocol/engine.ts'
import catalog from '../../../control-plane/catalog.json'

/** The project's own engines as an agent announces them. */
export function anEngine(id: 'prepare' | 'ctc', changes: Partial<AnnouncedEngine> = {}): AnnouncedEngine {
  const manifest = catalog.engines.find((engine) => engine.id === id)
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
    embedded: true,
    loaded: true,
  }
}
