import { describe, expect, test } from 'vitest'
import { NO_WISHES, select, type Wishes } from '#core/select.ts'
import type { Catalog } from '#protocol/catalog.ts'
import type { AnnouncedEngine } from '#protocol/engine.ts'
import { EngineId, ModelId } from '#protocol/ids.ts'
import type { Requirements } from '#protocol/task.ts'
import { aModel, anEngine, requirementsOf } from './kit/builders.ts'

/** Of several engines that could run a task, which is best: each merit counts more than all that come after it. */
const EMPTY: Catalog = { engines: [], models: [] }
const PLAIN = { languages: null, word_timestamps: false }

const engine = (id: string, model: Parameters<typeof aModel>[1] = {}, parts = {}): AnnouncedEngine =>
  anEngine({
    id,
    stages: ['transcribe'],
    needsModel: true,
    models: [aModel(`${id}-model`, { ...PLAIN, ...model })],
    ...parts,
  })

function best(
  engines: readonly AnnouncedEngine[],
  wishes: Partial<Wishes>,
  asked: Partial<Requirements>,
): string {
  const running = engines.map((one, index) => ({ agentId: `a${index}`, engine: one }))
  const selection = select(requirementsOf(asked), running, EMPTY, { ...NO_WISHES, ...wishes })
  return selection.ok ? selection.choice.engine.manifest.id : 'none'
}

type Merit = [string, AnnouncedEngine, AnnouncedEngine, Partial<Wishes>, Partial<Requirements>]
const rtf: Wishes['rtf'] = (id) => ({ better: 0.1, worse: 0.2 })[id as string] ?? null
const merits: Merit[] = [
  [
    'a real model before the embedded one',
    engine('worse', { embedded: true, word_timestamps: true, loaded: true }),
    engine('better'),
    { wordTimestamps: true },
    {},
  ],
  [
    'where one stage an engine was asked for, one that serves no other',
    engine('worse', { word_timestamps: true, loaded: true }, { stages: ['transcribe', 'align'] }),
    engine('better'),
    { modular: true, wordTimestamps: true },
    {},
  ],
  [
    'native word times, which spare align',
    engine('worse', { diarization: true, loaded: true }),
    engine('better', { word_timestamps: true }),
    { wordTimestamps: true, diarization: true },
    {},
  ],
  [
    'native diarization, which spares diarize',
    engine('worse', { languages: ['en'], loaded: true }),
    engine('better', { diarization: true }),
    { diarization: true },
    { language: 'en' },
  ],
  [
    'a model made for the language before one for any',
    engine('worse', { loaded: true }),
    engine('better', { languages: ['en'] }),
    {},
    { language: 'en' },
  ],
  [
    'without a language one for any before a narrow one',
    engine('worse', { languages: ['en'], loaded: true }),
    engine('better'),
    {},
    {},
  ],
  [
    'a loaded model before one on disk, though slower',
    engine('worse'),
    engine('better', { loaded: true }),
    { rtf: (id) => (id === 'worse' ? 0.1 : 0.9) },
    {},
  ],
  ['the faster one, as measured', engine('worse'), engine('better'), { rtf }, {}],
  ['one that was measured before one that was not', engine('unmeasured'), engine('better'), { rtf }, {}],
]

describe('ranking', () => {
  test.each(merits)('[S5] %s', (_name, worse, better, wishes, asked) => {
    expect(best([worse, better], wishes, asked)).toBe('better')
    expect(best([better, worse], wishes, asked)).toBe('better')
  })

  test('[S5] what nobody asked for counts nothing', () => {
    const talented = engine('talented', { word_timestamps: true, diarization: true })
    expect(best([talented, engine('loaded', { loaded: true })], {}, {})).toBe('loaded')
    expect(best([engine('first'), talented], {}, {})).toBe('first')
  })

  test('[S5] within an engine its best model counts', () => {
    const models = [
      aModel('universal', { languages: null, loaded: true }),
      aModel('english'),
      aModel('croatian', { languages: ['hr'] }),
    ]
    const ctc = anEngine({ id: 'ctc', stages: ['transcribe'], needsModel: true, models })
    const chosen = (language: string | null) =>
      select(requirementsOf({ language }), [{ agentId: 'a', engine: ctc }], EMPTY)
    expect(chosen('en')).toMatchObject({ choice: { model: { id: 'english' } } })
    expect(chosen('hr')).toMatchObject({ choice: { model: { id: 'croatian' } } })
    expect(chosen('fr')).toMatchObject({ choice: { model: { id: 'universal' } } })
    expect(chosen(null)).toMatchObject({ choice: { model: { id: 'universal' } } })
  })
})

describe('hard filters come first', () => {
  test('[S6] an engine or a model that was named is the only one, however good another is', () => {
    const engines = [engine('best', { word_timestamps: true, loaded: true }), engine('named')]
    expect(best(engines, { wordTimestamps: true }, { engine_id: EngineId.parse('named') })).toBe('named')
    expect(best(engines, { wordTimestamps: true }, { model_id: ModelId.parse('named-model') })).toBe('named')
    expect(best(engines, {}, { model_id: ModelId.parse('nobody-has-it') })).toBe('none')
  })

  test('[S6] of a named model the reason counts, not that of the engine’s others', () => {
    const models = [aModel('english'), aModel('croatian', { languages: ['hr'] })]
    const ctc = anEngine({ id: 'ctc', stages: ['transcribe'], needsModel: true, models })
    const asked = requirementsOf({ language: 'hr', model_id: ModelId.parse('english') })
    expect(select(asked, [{ agentId: 'a', engine: ctc }], EMPTY)).toMatchObject({
      error: { runningEngines: [{ reason: "language 'hr' not supported by english (has: en)" }] },
    })
  })

  test('[S7] who streams must say so by its interface and its capability', () => {
    const streaming = (interfaces: ('batch' | 'realtime')[], native_streaming: boolean) => {
      const base = engine('streams')
      const capabilities = { ...base.manifest.capabilities, native_streaming }
      return { ...base, manifest: { ...base.manifest, interfaces, capabilities } }
    }
    const reason = (one: AnnouncedEngine) => {
      const selection = select(requirementsOf({ streaming: true }), [{ agentId: 'a', engine: one }], EMPTY)
      return selection.ok ? 'fits' : selection.error.runningEngines[0]?.reason
    }
    expect(reason(streaming(['batch'], true))).toBe('does not serve realtime')
    expect(reason(streaming(['realtime'], false))).toBe('does not stream')
    expect(reason(streaming(['batch', 'realtime'], true))).toBe('fits')
    expect(best([streaming(['realtime'], true)], {}, {})).toBe('none')
  })

  test('[S8] an engine that the catalog does not know takes part like any other', () => {
    const unknown = anEngine({ id: 'my-own', stages: ['transcribe'], capabilities: { languages: ['hr'] } })
    expect(best([unknown, engine('known', { languages: ['en'] })], {}, { language: 'hr' })).toBe('my-own')
  })

  test('[S4] the reasons of a fleet are bounded', () => {
    const engines = Array.from({ length: 200 }, (_, index) => engine(`e${index}`, { languages: ['en'] }))
    const running = engines.map((one) => ({ agentId: 'a', engine: one }))
    const selection = select(requirementsOf({ language: 'hr' }), running, EMPTY)
    expect(selection.ok ? 0 : selection.error.runningEngines.length).toBe(50)
  })
})
