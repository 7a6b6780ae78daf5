import { describe, expect, test } from 'vitest'
import type { JobParameters } from '#core/parameters.ts'
import { PLAIN_SPEECH } from '#core/parameters.ts'
import { choosePipeline } from '#core/pipeline.ts'
import type { AnnouncedEngine, AnnouncedModel } from '#protocol/engine.ts'
import type { Stage } from '#protocol/stage.ts'
import type { TranscribeSummary } from '#protocol/summary.ts'
import { aJob, aModel, anEngine, completed, EVERY_STAGE, parametersOf, taskId } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'
import { aSummary } from './kit/summaries.ts'

/** Which language later stages are chosen for and told, and which one the transcript says it is in. */
const TRANSLATE = { speech: { ...PLAIN_SPEECH, task: 'translate' } } as const
const EVERYTHING = {
  piiDetection: true,
  speakerDetection: 'diarize',
  enrichment: ['detect_emotions', 'detect_events', 'detect_topics', 'refine'],
} as const
const others = EVERY_STAGE.filter(({ manifest }) => manifest.id !== 'ctc')

/** A transcriber with one model, beside an engine for every other stage. */
function around(model: Partial<AnnouncedModel>, rest: readonly AnnouncedEngine[] = others) {
  const models = [aModel('model', { translation: true, ...model })]
  return [...rest, anEngine({ id: 'writer', stages: ['transcribe'], needsModel: true, models })]
}

function languages(parts: Partial<JobParameters>, model: Partial<AnnouncedModel>) {
  const running = around(model).map((engine) => ({ agentId: 'a', engine }))
  const choice = choosePipeline(parametersOf(parts), running, { engines: [], models: [] })
  if (!choice.ok) throw new Error(`nobody can do ${choice.error.requirements.stage}`)
  return Object.fromEntries(
    choice.pipeline.stages.map(({ requirements }) => [requirements.stage, requirements.language]),
  )
}

describe('who is chosen', () => {
  const listeners = { prepare: null, diarize: null, detect_emotions: null, detect_events: null }
  const readers = (language: string | null) => ({
    detect_topics: language,
    refine: language,
    pii_detect: language,
  })
  test.each<[string, Partial<JobParameters>, string[] | null, object]>([
    ['asked', { language: 'hr' }, null, { transcribe: 'hr', ...readers('hr') }],
    ['heard', { language: null }, null, { transcribe: null, ...readers(null) }],
    ['of a model of several', { language: null }, ['hr', 'sl'], { transcribe: null, ...readers(null) }],
    ['of a model of one', { language: null }, ['hr'], { transcribe: null, ...readers('hr') }],
    ['asked within it', { language: 'hr-hr' }, ['hr'], { transcribe: 'hr-hr', ...readers('hr-hr') }],
    ['translated', { language: 'hr', ...TRANSLATE }, null, { transcribe: 'hr', ...readers('en') }],
    ['heard and translated', { language: null, ...TRANSLATE }, null, { transcribe: null, ...readers('en') }],
  ])('[SP8] a language that is %s', (_name, parts, languagesOfModel, expected) => {
    const chosen = languages({ ...EVERYTHING, ...parts }, { languages: languagesOfModel })
    expect(chosen).toEqual({ ...listeners, ...expected })
  })

  test('[SP8] words are looked for in the language that the only model of the transcriber has', () => {
    expect(languages({ language: null }, { languages: ['hr'], word_timestamps: false })).toMatchObject({
      align: 'hr',
    })
  })

  test('[SP8] an engine for the language that was spoken does not read its translation', () => {
    const reader = (language: string) =>
      anEngine({ id: `reads-${language}`, stages: ['pii_detect'], capabilities: { languages: [language] } })
    const rest = others.filter(({ manifest }) => manifest.id !== 'pii-detect')
    const engines = around({ languages: null }, [...rest, reader('hr'), reader('en')])
    const readerOf = (parts: Partial<JobParameters>) =>
      aJob({ engines, language: 'hr', piiDetection: true, ...parts }).pipeline?.stages.find(
        ({ requirements }) => requirements.stage === 'pii_detect',
      )?.engineId
    expect(readerOf({})).toBe('reads-hr')
    expect(readerOf(TRANSLATE)).toBe('reads-en')
  })

  test('[SP8] what a rerun takes over tells which language its text is in', () => {
    const running = around({ languages: null }).map((engine) => ({ agentId: 'a', engine }))
    const first = aJob({ engines: around({ languages: null }), language: 'hr', ...TRANSLATE })
    const choice = choosePipeline(
      parametersOf({ language: 'hr', enrichment: ['detect_topics'] }),
      running,
      { engines: [], models: [] },
      {
        kept: { fromStage: 'detect_topics', stages: ['prepare', 'transcribe'], pipeline: first.pipeline },
      },
    )
    const topics = choice.ok ? choice.pipeline.stages.at(-1)?.requirements : null
    expect(topics).toMatchObject({ stage: 'detect_topics', language: 'en' })
  })
})

/** What each task was told, of a job whose stages all end well. */
function told(parts: Parameters<typeof aJob>[0]): Record<string, string | null> {
  const run = JobRun.created(aJob(parts))
  const languages: Record<string, string | null> = {}
  const listen = () => {
    for (const effect of run.effects)
      if (effect.type === 'tracked' && effect.effect.type === 'registry.enqueue')
        languages[effect.effect.dispatch.stage] = effect.effect.dispatch.parameters.language
  }
  const stages: Stage[] = ['prepare', 'transcribe', 'diarize', 'detect_emotions', 'pii_detect', 'refine']
  listen()
  for (const stage of stages) {
    run.start(stage)
    run.finish(stage)
    listen()
  }
  return languages
}

test('[SP8] who listens is told what is spoken, who reads is told what is written', () => {
  const job = {
    engines: around({ languages: null }),
    language: 'hr',
    piiDetection: true,
    speakerDetection: 'diarize',
    enrichment: ['detect_emotions', 'refine'],
  } as const
  const listeners = { prepare: 'hr', transcribe: 'hr', diarize: 'hr', detect_emotions: 'hr' }
  expect(told(job)).toEqual({ ...listeners, pii_detect: 'hr', refine: 'hr' })
  expect(told({ ...job, ...TRANSLATE })).toEqual({ ...listeners, pii_detect: 'en', refine: 'en' })
})

type Told = Pick<TranscribeSummary, 'language' | 'language_source'>
const UNTOLD: Told = { language: null, language_source: null }

/** What merge writes as the transcript's language, of what the transcriber said of it. */
function written(parts: Parameters<typeof aJob>[0], said: Told): Told {
  const run = JobRun.transcribing(aJob({ language: null, ...parts }))
  const outcome = completed(taskId('transcribe'), 1)
  const summary = aSummary('transcribe')
  if (outcome.status !== 'completed' || summary.stage !== 'transcribe') throw new Error('expected a run')
  run.finish('transcribe', { outcome: { ...outcome, summary: { ...summary, ...said } } })
  const order = run.effects.find((effect) => effect.type === 'tracked' && effect.effect.type === 'merge.run')
  if (order?.type !== 'tracked' || order.effect.type !== 'merge.run') throw new Error('expected a merge')
  const { language, language_source } = order.effect.merge.transcription
  return { language, language_source }
}

describe('the language of a transcript', () => {
  const model = (languages: string[] | null) => ({ engines: around({ languages }) })

  test('[SP9] is the only one of the model where the engine does not know it', () => {
    expect(written(model(['hr']), UNTOLD)).toEqual({ language: 'hr', language_source: 'model' })
  })

  test('[SP9] is not known of a model of several, or of any', () => {
    expect(written(model(['hr', 'sl']), UNTOLD)).toEqual(UNTOLD)
    expect(written(model(null), UNTOLD)).toEqual(UNTOLD)
  })

  test('[SP9] is English of a translation', () => {
    const job = { ...model(['hr']), ...TRANSLATE }
    expect(written(job, UNTOLD)).toEqual({ language: 'en', language_source: 'model' })
  })

  test('[SP9] is what the engine says where it says one', () => {
    const heard: Told = { language: 'sl', language_source: 'detected' }
    expect(written(model(['hr']), heard)).toEqual(heard)
  })
})
