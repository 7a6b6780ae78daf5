import { describe, expect, test } from 'vitest'
import { alternatives } from '#core/alternatives.ts'
import { PLAIN_SPEECH, type Speech } from '#core/parameters.ts'
import { choosePipeline } from '#core/pipeline.ts'
import type { AnnouncedEngine, Capabilities } from '#protocol/engine.ts'
import { CatalogModel } from '#protocol/model.ts'
import { aJob, aModel, anEngine, EVERY_STAGE, parametersOf, requirementsOf } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

/** What recognition is told, besides the language. */
const others = EVERY_STAGE.filter(({ manifest }) => manifest.id !== 'ctc')
const transcriber = (
  id: string,
  model: Parameters<typeof aModel>[1],
  capabilities: Partial<Capabilities> = {},
) =>
  anEngine({
    id,
    stages: ['transcribe'],
    needsModel: true,
    models: [aModel(`${id}-model`, model)],
    capabilities,
  })

function choose(speech: Partial<Speech>, ...engines: AnnouncedEngine[]) {
  const running = [...others, ...engines].map((engine) => ({ agentId: 'a', engine }))
  const parameters = parametersOf({ speech: { ...PLAIN_SPEECH, ...speech } })
  return choosePipeline(parameters, running, { engines: [], models: [] })
}

describe('who can do it', () => {
  test('[SP1] a model that translates gets what is to be translated', () => {
    const choice = choose(
      { task: 'translate' },
      transcriber('plain', {}),
      transcriber('able', { translation: true }),
    )
    expect(choice).toMatchObject({ ok: true })
    expect(choice.ok && choice.pipeline.stages[1]?.engineId).toBe('able')
  })

  test('[SP1] without one it says so', () => {
    const choice = choose({ task: 'translate' }, transcriber('plain', {}))
    const reasons = choice.ok ? [] : choice.error.runningEngines.map(({ reason }) => reason)
    expect(reasons).toContain('plain-model does not translate')
  })

  test('[SP7] the preferred of the installed models serves, and the embedded one only alone', () => {
    const embedded = transcriber('a', { embedded: true, loaded: true })
    const usual = transcriber('b', { loaded: true })
    const preferred = transcriber('c', { preferred: true })
    const first = (...engines: AnnouncedEngine[]) => {
      const choice = choose({}, ...engines)
      return choice.ok ? choice.pipeline.stages[1]?.engineId : null
    }
    expect(first(embedded, usual, preferred)).toBe('c')
    expect(first(embedded, usual)).toBe('b')
    expect(first(embedded)).toBe('a')
  })
})

describe('what has no effect is told', () => {
  const asked = { vocabulary: ['Kovač'], prompt: 'Dear listeners,' }
  const cases: [Capabilities['vocabulary'], string[]][] = [
    ['none', ['vocabulary_unused', 'prompt_unused']],
    ['boost', ['prompt_unused']],
    ['prompt', []],
  ]
  test.each(cases)('[SP2] an engine whose vocabulary is %s: %j', (vocabulary, codes) => {
    const engines = [...others, transcriber('one', {}, { vocabulary })]
    const { view } = JobRun.created(aJob({ engines, speech: { ...PLAIN_SPEECH, ...asked } }))
    expect(view.pipeline_warnings.map(({ code }) => code)).toEqual(codes)
  })

  test('[SP2] nothing was asked, nothing is told', () => {
    expect(JobRun.created(aJob({ speech: PLAIN_SPEECH })).view.pipeline_warnings).toEqual([])
  })
})

function dispatches(run: JobRun) {
  return run.effects.flatMap((effect) =>
    effect.type === 'tracked' && effect.effect.type === 'registry.enqueue' ? [effect.effect.dispatch] : [],
  )
}

test('[SP3] prepare is told which engine and model come next; transcribe is told of nothing', () => {
  const run = JobRun.created()
  expect(dispatches(run)).toMatchObject([
    { stage: 'prepare', prefetch: { engineId: 'ctc', modelId: 'english' } },
  ])
  run.start('prepare')
  run.finish('prepare')
  const [transcribe] = dispatches(run)
  expect(transcribe?.stage).toBe('transcribe')
  expect(transcribe).not.toHaveProperty('prefetch')
})

test('[SP6] the engine is told what the caller said', () => {
  const speech: Speech = { task: 'translate', prompt: 'So,', vocabulary: ['Kovač'], temperature: 0.2 }
  const engines = [...others, transcriber('able', { translation: true }, { vocabulary: 'prompt' })]
  const run = JobRun.running(aJob({ engines, speech }))
  run.finish('prepare')
  expect(dispatches(run)[0]?.parameters).toMatchObject(speech)
})

describe('the command that helps', () => {
  const ctc = anEngine({
    id: 'ctc',
    stages: ['transcribe'],
    needsModel: true,
    capabilities: { translation: true },
  })
  const model = (id: string, source: unknown, translation = false) =>
    CatalogModel.parse({
      id,
      name: id,
      description: '',
      engine: 'ctc',
      runtime_model_id: id,
      stage: 'transcribe',
      source,
      files: [{ path: 'model.onnx', sha256: null, size_bytes: null }],
      languages: null,
      capabilities: {
        word_timestamps: true,
        punctuation: false,
        capitalization: false,
        streaming: false,
        translation,
      },
      hardware: { gpu_required: false, min_ram_mb: null },
      license: 'unknown',
      embedded: false,
      verified: false,
    })
  const catalog = {
    engines: [ctc.manifest],
    models: [
      model('hub', { kind: 'hub', repository: 'owner/name', revision: null }),
      model('own', { kind: 'folder' }, true),
      model('bundled', { kind: 'bundled', path: 'models/x' }),
    ],
  }
  const commands = (running: string[], asked = {}) =>
    alternatives(requirementsOf(asked), catalog, new Set(running)).map(({ command }) => command)

  test('[SP5] where the engine runs only the model is missing', () => {
    expect(commands(['ctc'])).toEqual([
      'dalston models pull hub',
      'dalston models import own FOLDER',
      'dalston agent --server URL --token TOKEN',
    ])
  })

  test('[SP5] where nothing runs an agent is missing', () => {
    expect(new Set(commands([]))).toEqual(new Set(['dalston agent --server URL --token TOKEN']))
  })

  test('[SP1, SP5] what does not translate does not help a translation', () => {
    expect(commands(['ctc'], { translation: true })).toEqual(['dalston models import own FOLDER'])
  })
})
