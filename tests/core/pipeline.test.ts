import { describe, expect, test } from 'vitest'
import type { JobParameters } from '#core/parameters.ts'
import { choosePipeline } from '#core/pipeline.ts'
import type { AnnouncedEngine } from '#protocol/engine.ts'
import { EngineId, ModelId } from '#protocol/ids.ts'
import { aModel, anEngine, EVERY_STAGE, parametersOf } from './kit/builders.ts'

/** Which engine each stage of a job gets. */
const choose = (parts: Partial<JobParameters>, engines: readonly AnnouncedEngine[]) =>
  choosePipeline(
    parametersOf(parts),
    engines.map((engine) => ({ agentId: 'a', engine })),
    { engines: [], models: [] },
  )
const engineOf = (stage: string, parts: Partial<JobParameters>, engines: readonly AnnouncedEngine[]) => {
  const choice = choose(parts, engines)
  if (!choice.ok) return null
  return choice.pipeline.stages.find(({ requirements }) => requirements.stage === stage)?.engineId ?? null
}
const others = EVERY_STAGE.filter(({ manifest }) => manifest.id !== 'ctc')
const transcriber = (id: string, model: Parameters<typeof aModel>[1] = {}, parts = {}) =>
  anEngine({ id, stages: ['transcribe'], needsModel: true, models: [aModel(`${id}-model`, model)], ...parts })
const whole = transcriber(
  'whole',
  { diarization: true, loaded: true },
  { stages: ['transcribe', 'align', 'diarize'] },
)
const plain = transcriber('plain', { word_timestamps: false })

describe('what the caller names', () => {
  test('[S6] an engine transcribes, and whatever else stays with the best', () => {
    const enginePreference = EngineId.parse('plain')
    const asked = { enginePreference, speakerDetection: 'diarize' } as const
    expect(engineOf('transcribe', {}, [...others, whole, plain])).toBe('whole')
    expect(engineOf('transcribe', asked, [...others, whole, plain])).toBe('plain')
    expect(engineOf('diarize', asked, others.concat(plain))).toBe('diarize')
    expect(engineOf('diarize', { speakerDetection: 'diarize' }, [...others, whole, plain])).toBeNull()
  })

  test('[S6] a model for a stage', () => {
    const models = { transcribe: ModelId.parse('plain-model') }
    expect(engineOf('transcribe', { models }, [...others, whole, plain])).toBe('plain')
    expect(engineOf('align', { models }, [...others, plain])).toBe('align')
  })

  test('[S6] one that does not run is no_capable_engine, with the stage, what it asked for and why', () => {
    const choice = choose({ enginePreference: EngineId.parse('nobody') }, [...others, plain])
    expect(choice).toMatchObject({
      ok: false,
      error: {
        requirements: { stage: 'transcribe', engine_id: 'nobody', language: 'en' },
        runningEngines: expect.arrayContaining([
          { engine_id: 'plain', agent_id: 'a', reason: 'the job asks for engine nobody' },
        ]),
      },
    })
  })

  test('[S9] modular: a stage each, native word times all the same; an engine for several only where no other is', () => {
    const asked = { enginePreference: 'modular', speakerDetection: 'diarize' } as const
    expect(engineOf('transcribe', asked, [...others, whole, plain])).toBe('plain')
    expect(engineOf('diarize', asked, [...others, whole, plain])).toBe('diarize')
    expect(engineOf('transcribe', asked, [...others, whole])).toBe('whole')
    expect(engineOf('diarize', asked, [...others, whole])).toBe('diarize')
    expect(engineOf('align', asked, [...others, transcriber('times')])).toBeNull()
  })
})

describe('what a stage asks of an engine', () => {
  test('[S6] the language of those that read it, and of no other', () => {
    const english = (id: string, stage: 'align' | 'diarize') =>
      anEngine({ id, stages: [stage], capabilities: { languages: ['en'] } })
    const rest = others.filter(({ manifest }) => manifest.id !== 'align' && manifest.id !== 'diarize')
    const engines = [
      ...rest,
      english('align', 'align'),
      english('diarize', 'diarize'),
      transcriber('plain', { languages: null, word_timestamps: false }),
    ]
    const choice = choose({ language: 'hr', speakerDetection: 'diarize' }, engines)
    expect(choice).toMatchObject({
      ok: true,
      pipeline: {
        skipped: [{ stage: 'align', reason: "align: language 'hr' not supported (has: en)" }],
      },
    })
    expect(engineOf('diarize', { language: 'hr', speakerDetection: 'diarize' }, engines)).toBe('diarize')
  })

  test('[S6] splitting of channels, only of prepare and only where it was asked', () => {
    const cannot = others.map((engine) => (engine.manifest.id === 'prepare' ? anEngine() : engine))
    expect(choose({}, [...cannot, plain]).ok).toBe(true)
    expect(choose({ speakerDetection: 'per_channel' }, [...cannot, plain])).toMatchObject({
      error: {
        requirements: { stage: 'prepare' },
        runningEngines: expect.arrayContaining([
          { engine_id: 'prepare', agent_id: 'a', reason: 'cannot split channels' },
        ]),
      },
    })
  })
})
