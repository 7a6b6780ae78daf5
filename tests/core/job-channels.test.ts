import { describe, expect, test } from 'vitest'
import { outputPrefix } from '#core/dispatch.ts'
import type { JobReply } from '#core/job/input.ts'
import { TaskId } from '#protocol/ids.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import { aJob, aModel, anArtifact, anEngine, completed, EVERY_STAGE, failed, jobId } from './kit/builders.ts'
import { aRunner, JobRun } from './kit/job-run.ts'
import { aPrepareSummary } from './kit/summaries.ts'

/** A job that is transcribed by channel: what is drawn once prepare has told how many there are, and who reads what. */
const PLAIN = [
  ...EVERY_STAGE.filter(({ manifest }) => manifest.id !== 'ctc'),
  anEngine({
    id: 'ctc',
    stages: ['transcribe'],
    needsModel: true,
    models: [aModel('plain', { word_timestamps: false })],
  }),
]
const named = (name: string) => TaskId.parse(`${jobId()}.${name}`)

function start(run: JobRun, name: string): JobReply {
  return run.tell({ type: 'task.started', taskId: named(name), fence: 1, runner: aRunner() })
}

function finish(run: JobRun, name: string, outcome: TaskOutcome = completed(named(name), 1)): JobReply {
  start(run, name)
  const { agentId } = aRunner()
  return run.tell({
    type: 'task.result',
    taskId: named(name),
    fence: 1,
    outcome,
    from: { agentId, runner: null },
  })
}

/** Prepare wrote the mix of all channels, and each channel. */
function prepared(channels: number): TaskOutcome {
  const prefix = outputPrefix(named('prepare'), 1)
  const names = ['audio.s16', ...Array.from({ length: channels }, (_, channel) => `audio.ch${channel}.s16`)]
  const artifacts = names.map((name) => anArtifact(name, `${prefix}${name}`))
  const outcome = completed(named('prepare'), 1)
  if (outcome.status !== 'completed') throw new Error('expected a completed outcome')
  return { ...outcome, artifacts, summary: aPrepareSummary(channels) }
}

function split(channels: number, parts: Parameters<typeof aJob>[0] = {}): JobRun {
  const run = JobRun.created(aJob({ speakerDetection: 'per_channel', ...parts }))
  finish(run, 'prepare', prepared(channels))
  return run
}

const stages = (run: JobRun) => [...run.job.tasks.keys()].map((id) => id.slice(id.indexOf('.') + 1))
const inputsOf = (run: JobRun, name: string) => {
  const order = run.effects.find(
    (effect) => effect.type === 'tracked' && effect.id.includes(`${named(name)}:`),
  )
  const effect = order?.type === 'tracked' ? order.effect : null
  return effect?.type !== 'registry.enqueue'
    ? null
    : Object.fromEntries(effect.dispatch.inputs.map(({ name: as, key }) => [as, short(key)]))
}
const short = (key: string) => key.slice(key.indexOf('/', 5) + 1)

describe('what is drawn', () => {
  test('[J31] one stands for all until prepare has told the number; then each channel has its own', () => {
    const run = JobRun.created(aJob({ speakerDetection: 'per_channel', engines: PLAIN }))
    expect(stages(run)).toEqual(['prepare', 'transcribe', 'align', 'merge'])
    finish(run, 'prepare', prepared(2))
    expect(stages(run)).toEqual([
      'prepare',
      'transcribe.ch0',
      'transcribe.ch1',
      'align.ch0',
      'align.ch1',
      'merge',
    ])
    expect(run.orders).toEqual([
      `enqueue:${named('transcribe.ch0')}:1`,
      `enqueue:${named('transcribe.ch1')}:1`,
    ])
    expect(run.view.stages.map(({ channel }) => channel)).toEqual([null, 0, 1, 0, 1, null])
    expect(run.published.map(({ event }) => event.type).slice(-4)).toEqual([
      'task.completed',
      'job.status',
      'task.queued',
      'task.queued',
    ])
  })

  test('[J31] what prepare has reached stays, and the graph is drawn once', () => {
    const run = split(2)
    expect(run.task('prepare')).toMatchObject({ status: 'completed', fence: 1 })
    const { seq } = run.job
    expect(finish(run, 'prepare', prepared(3))).toBe('duplicate')
    expect(run.job.seq).toBe(seq)
    finish(run, 'transcribe.ch1')
    finish(run, 'transcribe.ch0')
    expect(run.orders).toEqual(['merge:1'])
    run.reload()
    expect(stages(run)).toEqual(['prepare', 'transcribe.ch0', 'transcribe.ch1', 'merge'])
  })

  test('[J31] word of the one that stood for all is stale', () => {
    expect(start(split(2), 'transcribe')).toBe('stale')
  })

  test('[J33] one channel is transcribed like any, with a warning', () => {
    const run = split(1)
    expect(stages(run)).toEqual(['prepare', 'transcribe.ch0', 'merge'])
    expect(run.view.pipeline_warnings).toMatchObject([
      { stage: 'prepare', code: 'single_channel', message: expect.stringContaining('per_channel') },
    ])
    expect(split(2).view.pipeline_warnings).toEqual([])
  })

  test('[J31] who did not ask gets one task, however many channels there are', () => {
    expect(stages(split(2, { speakerDetection: 'none' }))).toEqual(['prepare', 'transcribe', 'merge'])
  })
})

describe('who reads what', () => {
  test('[J32] a channel’s task reads its own channel under the plain name, and knows its number', () => {
    const run = split(12)
    expect(inputsOf(run, 'transcribe.ch1')).toEqual({ 'audio.s16': 'prepare/f1/audio.ch1.s16' })
    expect(inputsOf(run, 'transcribe.ch11')).toEqual({ 'audio.s16': 'prepare/f1/audio.ch11.s16' })
    const order = run.effects.find(
      (effect) => effect.type === 'tracked' && effect.id.includes('transcribe.ch1:'),
    )
    expect(order).toMatchObject({ effect: { dispatch: { parameters: { channel: 1 } } } })
  })

  test('[J32] where prepare wrote no channel of its own, the only one is the mix', () => {
    const one = JobRun.created(aJob({ speakerDetection: 'per_channel' }))
    const outcome = prepared(0)
    if (outcome.status !== 'completed') throw new Error('expected a completed outcome')
    finish(one, 'prepare', { ...outcome, summary: aPrepareSummary(1) })
    expect(inputsOf(one, 'transcribe.ch0')).toEqual({ 'audio.s16': 'prepare/f1/audio.s16' })
  })

  test('[J32] align reads its channel’s audio and text', () => {
    const run = split(2, { engines: PLAIN })
    finish(run, 'transcribe.ch1')
    expect(inputsOf(run, 'align.ch1')).toEqual({
      'audio.s16': 'prepare/f1/audio.ch1.s16',
      'transcript.jsonl': 'transcribe.ch1/f1/transcript.jsonl',
    })
  })

  test('[J32] a task of all channels reads each text with its channel, the aligned before the transcribed', () => {
    const run = split(2, { engines: PLAIN, enrichment: ['detect_topics'] })
    for (const name of ['transcribe.ch0', 'transcribe.ch1', 'align.ch0']) finish(run, name)
    start(run, 'align.ch1')
    finish(run, 'align.ch1', failed(false))
    expect(inputsOf(run, 'detect_topics')).toEqual({
      'transcript.ch0.jsonl': 'align.ch0/f1/transcript.jsonl',
      'transcript.ch1.jsonl': 'transcribe.ch1/f1/transcript.jsonl',
    })
  })

  test('[J32] without channels the names are plain', () => {
    const run = JobRun.transcribing(aJob({ engines: PLAIN }))
    run.finish('transcribe')
    expect(inputsOf(run, 'align')).toEqual({
      'audio.s16': 'prepare/f1/audio.s16',
      'transcript.jsonl': 'transcribe/f1/transcript.jsonl',
    })
  })
})

test('[J16] the failure of one channel takes the others back', () => {
  const run = split(2)
  start(run, 'transcribe.ch0')
  finish(run, 'transcribe.ch1', failed(false))
  expect(run.view.status).toBe('failed')
  expect(run.orders).toContain(`cancel:${named('transcribe.ch0')}:1`)
})
