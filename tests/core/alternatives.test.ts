import { expect, test } from 'vitest'
import { alternatives } from '#core/alternatives.ts'
import { EngineId, ModelId } from '#protocol/ids.ts'
import { CatalogModel } from '#protocol/model.ts'
import type { Requirements } from '#protocol/task.ts'
import { anEngine, requirementsOf } from './kit/builders.ts'

/** What of the catalog would help when nothing that runs does. */
const plain = anEngine({
  id: 'plain',
  stages: ['transcribe'],
  capabilities: { languages: ['en'], word_timestamps: false },
})
const able = anEngine({
  id: 'able',
  stages: ['transcribe'],
  capabilities: { languages: null, diarization: true, native_streaming: true, split_channels: true },
})
const ctc = anEngine({ id: 'ctc', stages: ['transcribe', 'align'], needsModel: true })
const model = (id: string, stage: 'transcribe' | 'align', languages: string[], word_timestamps: boolean) =>
  CatalogModel.parse({
    id,
    name: id,
    description: '',
    engine: 'ctc',
    runtime_model_id: id,
    stage,
    source: { kind: 'bundled', path: id },
    files: [{ path: 'model.onnx', sha256: null, size_bytes: null }],
    languages,
    capabilities: { word_timestamps, punctuation: false, capitalization: false, streaming: false },
    hardware: { gpu_required: false, min_ram_mb: 100 },
    license: 'Apache-2.0',
    embedded: false,
    verified: true,
  })
const catalog = {
  engines: [plain.manifest, able.manifest, ctc.manifest],
  models: [
    model('english', 'transcribe', ['en'], true),
    model('croatian', 'transcribe', ['hr'], false),
    model('aligner', 'align', ['en'], true),
  ],
}

const cases: [Partial<Requirements>, string[]][] = [
  [{}, ['plain', 'able', 'ctc/english', 'ctc/croatian']],
  [{ language: 'hr' }, ['able', 'ctc/croatian']],
  [{ language: 'en-us', word_timestamps: true }, ['able', 'ctc/english']],
  [{ diarization: true }, ['able']],
  [{ streaming: true }, ['able']],
  [{ split_channels: true }, ['able']],
  [{ engine_id: EngineId.parse('ctc'), language: 'hr' }, ['ctc/croatian']],
  [{ model_id: ModelId.parse('english') }, ['ctc/english']],
  [{ stage: 'align' }, ['ctc/aligner']],
  [{ stage: 'diarize' }, []],
]
test.each(cases)('[S4] what would do for %j: %j', (asked, expected) => {
  const found = alternatives(requirementsOf(asked), catalog)
  expect(
    found.map(({ engine_id, model_id }) => (model_id === null ? engine_id : `${engine_id}/${model_id}`)),
  ).toEqual(expected)
  for (const { command } of found) expect(command).toMatch(/^dalston agent /)
})
