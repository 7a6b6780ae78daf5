import { describe, expect, test } from 'vitest'
import type { MergeOrder } from '#core/job/effects.ts'
import { ALWAYS_REQUIRED, STAGES, type Stage } from '#protocol/stage.ts'
import { aJob, aModel, anEngine, EVERY_STAGE, failed } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

/** What merge is told to read, after all its stages have ended, some of them skipped. */
const PLAIN = [
  ...EVERY_STAGE.filter(({ manifest }) => manifest.id !== 'ctc'),
  anEngine({
    id: 'ctc',
    stages: ['transcribe'],
    needsModel: true,
    models: [aModel('plain', { word_timestamps: false })],
  }),
]
const ALL = ['detect_emotions', 'detect_events', 'detect_topics', 'refine'] as const

function orderOf(parts: Parameters<typeof aJob>[0], ...skipped: Stage[]): MergeOrder {
  const run = JobRun.created(aJob({ engines: PLAIN, ...parts }))
  for (const stage of [...STAGES].sort(byTurn)) {
    if (stage === 'merge' || ![...run.job.tasks.values()].some(({ plan }) => plan.stage === stage)) continue
    run.start(stage)
    run.finish(stage, skipped.includes(stage) ? { outcome: failed(false) } : {})
  }
  const order = run.effects.find((effect) => effect.type === 'tracked' && effect.effect.type === 'merge.run')
  if (order?.type !== 'tracked' || order.effect.type !== 'merge.run') throw new Error('expected a merge')
  return order.effect.merge
}

/** Who reads the redacted text comes after it. */
function byTurn(a: Stage, b: Stage): number {
  const late: readonly Stage[] = ['pii_detect', 'audio_redact', 'detect_topics', 'refine', 'merge']
  return late.indexOf(a) - late.indexOf(b)
}

const texts = ({ transcripts }: MergeOrder) => transcripts.map(({ key }) => key.split('/')[2])

describe('the text', () => {
  test.each<[string, Parameters<typeof aJob>[0], Stage[], string[]]>([
    ['as transcribed', { granularity: 'segment' }, [], ['transcribe']],
    ['aligned before that', {}, [], ['align']],
    ['as transcribed where align was skipped', {}, ['align'], ['transcribe']],
    ['redacted before that', { piiDetection: true }, [], ['pii_detect']],
    ['refined before all', { piiDetection: true, enrichment: ['refine'] }, [], ['refine']],
    [
      'redacted where refine was skipped',
      { piiDetection: true, enrichment: ['refine'] },
      ['refine'],
      ['pii_detect'],
    ],
    ['aligned where refine was skipped', { enrichment: ['refine'] }, ['refine'], ['align']],
  ])('[J34] %s', (_name, parts, skipped, expected) => {
    expect(texts(orderOf(parts, ...skipped))).toEqual(expected)
  })
})

describe('what stands beside it', () => {
  const everything = { speakerDetection: 'diarize', enrichment: ALL } as const
  const keys = ({ turnsKey, emotionsKey, topicsKey, events }: MergeOrder) =>
    [turnsKey, emotionsKey, topicsKey, events?.key].map((key) => key?.split('/')[2] ?? null)

  test('[J34] each document of a stage that was done', () => {
    expect(keys(orderOf(everything))).toEqual([
      'diarize',
      'detect_emotions',
      'detect_topics',
      'detect_events',
    ])
  })

  test('[J34] none of a stage that was skipped; events that were asked for are an empty list', () => {
    const order = orderOf(everything, 'diarize', 'detect_emotions', 'detect_topics', 'detect_events')
    expect(keys(order)).toEqual([null, null, null, null])
    expect(order.events).toEqual({ key: null })
    expect(orderOf({}).events).toBeNull()
  })
})

describe('where it comes from', () => {
  const native = (diarization: boolean) => [
    ...EVERY_STAGE.filter(({ manifest }) => manifest.id !== 'ctc'),
    anEngine({
      id: 'ctc',
      stages: ['transcribe'],
      needsModel: true,
      models: [aModel('native', { diarization })],
    }),
  ]
  const sources = (order: MergeOrder) => [order.alignmentSource, order.diarizationSource]
  test.each<[string, Parameters<typeof aJob>[0], Stage[], (string | null)[]]>([
    ['nobody asked', { granularity: 'segment' }, [], [null, null]],
    ['align and diarize', { speakerDetection: 'diarize' }, [], ['align', 'diarize']],
    ['both skipped', { speakerDetection: 'diarize' }, ['align', 'diarize'], ['transcription', 'default']],
    [
      'the transcriber itself',
      { speakerDetection: 'diarize', engines: native(true) },
      [],
      ['transcription', 'transcription'],
    ],
    [
      'the transcriber for words alone',
      { speakerDetection: 'diarize', engines: native(false) },
      [],
      ['transcription', 'diarize'],
    ],
  ])('[J34] %s', (_name, parts, skipped, expected) => {
    expect(sources(orderOf(parts, ...skipped))).toEqual(expected)
  })
})

test('[J34] where redaction was asked nothing before it is ever read', () => {
  expect(ALWAYS_REQUIRED.has('pii_detect')).toBe(true)
  const run = JobRun.transcribing(aJob({ engines: PLAIN, piiDetection: true }))
  run.finish('transcribe')
  run.start('align')
  run.finish('align')
  run.start('pii_detect')
  run.finish('pii_detect', { outcome: failed(false) })
  expect(run.view.status).toBe('failed')
  expect(run.orders.some((id) => id.startsWith('merge:'))).toBe(false)
})
