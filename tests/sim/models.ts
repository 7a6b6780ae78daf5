import { ModelId } from '#protocol/ids.ts'
import { CatalogModel } from '#protocol/model.ts'
import { anEngine } from '../core/kit/builders.ts'

/** Models that no agent has at first, and that the engine `ctc` could run once they are pulled. */
export const MODELS = [ModelId.parse('large'), ModelId.parse('wide'), ModelId.parse('tall')] as const

export const CATALOG = {
  engines: [anEngine({ id: 'ctc', stages: ['transcribe'], needsModel: true }).manifest],
  models: MODELS.map((id) =>
    CatalogModel.parse({
      id,
      name: id,
      description: '',
      engine: 'ctc',
      runtime_model_id: id,
      stage: 'transcribe',
      source: { kind: 'hub', repository: `owner/${id}`, revision: null },
      files: [{ path: 'model.onnx', sha256: null, size_bytes: 100 }],
      languages: ['en'],
      capabilities: { word_timestamps: true, punctuation: true, capitalization: true, streaming: false },
      hardware: { gpu_required: false, min_ram_mb: null },
      license: 'MIT',
      embedded: false,
      verified: false,
    }),
  ),
}
