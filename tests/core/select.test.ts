import { describe, expect, test } from 'vitest'
import { fits, select } from '#core/select.ts'
import type { Catalog } from '#protocol/catalog.ts'
import type { AnnouncedEngine } from '#protocol/engine.ts'
import { EngineId, ModelId } from '#protocol/ids.ts'
import type { Requirements } from '#protocol/task.ts'
import { aModel, anEngine, requirementsOf } from './kit/builders.ts'

/** Selection: hard filters, then ranking, and reasons where nothing is left. */
const ctc = (...models: ReturnType<typeof aModel>[]) =>
  anEngine({ id: 'ctc', stages: ['transcribe'], needsModel: true, models })
const english = aModel('english')
const model_id = ModelId.parse('english')
const EMPTY: Catalog = { engines: [], models: [] }

describe('hard filters', () => {
  const cases: [string, Partial<Requirements>, AnnouncedEngine, string][] = [
    ['another stage', {}, anEngine(), 'does not serve transcribe (it serves prepare)'],
    [
      'another engine',
      { engine_id: EngineId.parse('whisper') },
      ctc(english),
      'the job asks for engine whisper',
    ],
    ['channels', { split_channels: true }, ctc(english), 'cannot split channels'],
    ['no model', {}, ctc(), 'has no model'],
    ['another model', { model_id }, ctc(aModel('croatian')), 'does not have model english'],
    [
      'another language',
      { language: 'hr' },
      ctc(english),
      "language 'hr' not supported by english (has: en)",
    ],
    [
      'no word times',
      { word_timestamps: true },
      ctc(aModel('english', { word_timestamps: false })),
      'english gives no word timestamps',
    ],
    [
      'language, without weights',
      { language: 'hr' },
      anEngine({ stages: ['transcribe'], capabilities: { languages: ['en'] } }),
      "language 'hr' not supported (has: en)",
    ],
    [
      'model, without weights',
      { model_id },
      anEngine({ stages: ['transcribe'] }),
      'does not have model english',
    ],
    [
      'word times, without weights',
      { word_timestamps: true },
      anEngine({ stages: ['transcribe'], capabilities: { word_timestamps: false } }),
      'gives no word timestamps',
    ],
  ]
  test.each(cases)('[S1] %s does not fit, with the reason', (_name, requirements, engine, reason) => {
    expect(fits(requirementsOf(requirements), engine)).toEqual({ fits: false, reason })
  })

  test.each([
    ['en', ['en'], true],
    ['en-us', ['en'], true],
    ['en', ['en-us'], false],
    ['hr', null, true],
  ])('[S2] language %s with a model for %j: %s', (language, languages, expected) => {
    expect(fits(requirementsOf({ language }), ctc(aModel('m', { languages }))).fits).toBe(expected)
  })
})

describe('ranking', () => {
  test.each([
    [
      'a real model before the embedded one',
      aModel('small', { embedded: true, loaded: true }),
      aModel('best'),
    ],
    ['a loaded one before one on disk', aModel('small'), aModel('best', { loaded: true })],
    ['one for any language before a narrow one', aModel('small'), aModel('best', { languages: null })],
  ])('[S3] %s, within an engine and between engines', (_name, worse, better) => {
    for (const models of [
      [worse, better],
      [better, worse],
    ]) {
      expect(fits(requirementsOf(), ctc(...models))).toMatchObject({ model: { id: 'best' } })
      const running = models.map((model, index) => ({ agentId: `a${index}`, engine: ctc(model) }))
      expect(select(requirementsOf(), running, EMPTY)).toMatchObject({ choice: { model: { id: 'best' } } })
    }
  })

  test('[S3] the embedded model serves when nothing else is there', () => {
    const running = [{ agentId: 'a', engine: ctc(aModel('embedded-en', { embedded: true })) }]
    expect(select(requirementsOf(), running, EMPTY)).toMatchObject({
      ok: true,
      choice: { model: { embedded: true } },
    })
  })
})

describe('nothing fits', () => {
  test('[S4] each running engine says why, and the catalog what would help', () => {
    const engine = ctc(english)
    const catalog: Catalog = {
      engines: [engine.manifest, anEngine().manifest],
      models: [
        catalogModel('croatian', ['hr'], true),
        catalogModel('silent', ['hr'], false),
        catalogModel('english', ['en'], true),
      ],
    }
    const requirements = requirementsOf({ language: 'hr', word_timestamps: true })
    const selection = select(requirements, [{ agentId: 'a', engine }], catalog)
    expect(selection).toEqual({
      ok: false,
      error: {
        requirements,
        runningEngines: [
          { engine_id: 'ctc', agent_id: 'a', reason: "language 'hr' not supported by english (has: en)" },
        ],
        catalogAlternatives: [
          { engine_id: 'ctc', model_id: 'croatian', command: 'dalston agent --server URL --token TOKEN' },
        ],
      },
    })
  })
})

function catalogModel(id: string, languages: string[], word_timestamps: boolean): Catalog['models'][number] {
  return {
    id: ModelId.parse(id),
    name: id,
    description: '',
    engine: EngineId.parse('ctc'),
    runtime_model_id: id,
    stage: 'transcribe',
    source: { kind: 'bundled', path: id },
    files: [],
    languages,
    capabilities: {
      word_timestamps,
      punctuation: false,
      capitalization: false,
      streaming: false,
      translation: false,
      diarization: false,
    },
    hardware: { gpu_required: false, min_ram_mb: 100, min_vram_mb: null },
    aliases: [],
    precision: null,
    published: [],
    preferred: false,
    license: 'Apache-2.0',
    embedded: false,
    verified: true,
  }
}
