import { describe, expect, test } from 'vitest'
import { planTasks } from '#core/dag.ts'
import { outputPrefix } from '#core/dispatch.ts'
import type { AnnouncedEngine } from '#protocol/engine.ts'
import { EngineId, ModelId, TaskId } from '#protocol/ids.ts'
import { aJob, aModel, anEngine, EVERY_STAGE, jobId, taskId } from './kit/builders.ts'

/** The shape of a job: which tasks it has, what each reads, what it needs of an engine. */
const short = (id: string) => id.slice(id.indexOf('.') + 1)
const shapeOf = (parts: Parameters<typeof aJob>[0] = {}) =>
  Object.fromEntries(aJob(parts).tasks.map(({ id, dependsOn }) => [short(id), dependsOn.map(short)]))

const modelOf = (id: string, brings: { word_timestamps?: boolean; diarization?: boolean }) =>
  anEngine({
    id,
    stages: ['transcribe'],
    needsModel: true,
    models: [aModel(`${id}-model`, { word_timestamps: false, ...brings })],
  })
const others = EVERY_STAGE.filter(({ manifest }) => manifest.id !== 'ctc')
const withTranscriber = (engine: AnnouncedEngine) => [...others, engine]
const PLAIN = withTranscriber(modelOf('faster-whisper', {}))
const INTEGRATED = withTranscriber(
  anEngine({
    id: 'whisperx-full',
    stages: ['transcribe', 'align', 'diarize'],
    capabilities: { word_timestamps: true, diarization: true },
  }),
)
const ALL = ['detect_emotions', 'detect_events', 'detect_topics', 'refine'] as const

describe('the example shapes', () => {
  test('[G1] simple transcription: 3 tasks', () => {
    expect(shapeOf({ granularity: 'none', engines: PLAIN })).toEqual({
      prepare: [],
      transcribe: ['prepare'],
      merge: ['prepare', 'transcribe'],
    })
  })

  test('[G1] with diarization (modular): 5 tasks, diarize beside the transcription', () => {
    const parts = { speakerDetection: 'diarize', enginePreference: 'modular', engines: PLAIN } as const
    expect(shapeOf(parts)).toEqual({
      prepare: [],
      transcribe: ['prepare'],
      align: ['prepare', 'transcribe'],
      diarize: ['prepare'],
      merge: ['prepare', 'transcribe', 'align', 'diarize'],
    })
  })

  test('[G1] with diarization (integrated): 3 tasks, a multi-stage engine covers three stages in one', () => {
    const enginePreference = EngineId.parse('whisperx-full')
    const engines = [...INTEGRATED, ...PLAIN]
    const parts = { speakerDetection: 'diarize', enginePreference, engines } as const
    expect(Object.keys(shapeOf(parts))).toEqual(['prepare', 'transcribe', 'merge'])
    expect(aJob(parts).tasks[1]).toMatchObject({
      requirements: { engine_id: 'whisperx-full', word_timestamps: true, diarization: true },
    })
  })

  test('[G1] native word times (parakeet): 3 tasks, no align', () => {
    const engines = withTranscriber(modelOf('parakeet', { word_timestamps: true }))
    expect(Object.keys(shapeOf({ engines }))).toEqual(['prepare', 'transcribe', 'merge'])
  })

  test('[G4] per channel (stereo): 6 tasks, two branches', () => {
    const spec = aJob({ speakerDetection: 'per_channel', engines: PLAIN })
    expect(channels(spec, 2)).toEqual({
      prepare: [],
      'transcribe.ch0': ['prepare'],
      'transcribe.ch1': ['prepare'],
      'align.ch0': ['prepare', 'transcribe.ch0'],
      'align.ch1': ['prepare', 'transcribe.ch1'],
      merge: ['prepare', 'transcribe.ch0', 'transcribe.ch1', 'align.ch0', 'align.ch1'],
    })
  })

  test.each([1, 3, 32])('[G4] per channel with %i channels: a branch each', (count) => {
    const tasks = channels(aJob({ speakerDetection: 'per_channel' }), count)
    expect(Object.keys(tasks)).toHaveLength(2 + count)
  })

  test('[G1] full pipeline with enrichment: 9 tasks', () => {
    const parts = { speakerDetection: 'diarize', enrichment: ALL, engines: PLAIN } as const
    expect(shapeOf(parts)).toEqual({
      prepare: [],
      transcribe: ['prepare'],
      align: ['prepare', 'transcribe'],
      diarize: ['prepare'],
      detect_emotions: ['prepare', 'transcribe', 'align'],
      detect_events: ['prepare'],
      detect_topics: ['transcribe', 'align'],
      refine: ['transcribe', 'align', 'diarize', 'detect_emotions', 'detect_events', 'detect_topics'],
      merge: [
        'prepare',
        'transcribe',
        'align',
        'diarize',
        'detect_emotions',
        'detect_events',
        'detect_topics',
        'refine',
      ],
    })
  })

  test('[G1] full pipeline with redaction: 11 tasks, and text is read redacted only', () => {
    const parts = {
      speakerDetection: 'diarize',
      enrichment: ALL,
      redactPiiAudio: true,
      engines: PLAIN,
    } as const
    const shape = shapeOf(parts)
    expect(Object.keys(shape)).toHaveLength(11)
    expect(shape).toMatchObject({
      pii_detect: ['transcribe', 'align'],
      audio_redact: ['prepare', 'pii_detect'],
      detect_topics: ['pii_detect'],
      refine: ['pii_detect', 'diarize', 'detect_emotions', 'detect_events', 'detect_topics'],
    })
  })
})

describe('what the shape relies on', () => {
  test('[G2] only what the parameters rely on is asked of an engine, and of the stage that must bring it', () => {
    const models = { transcribe: ModelId.parse('english') }
    const [prepare, transcribe] = aJob({ models, speakerDetection: 'per_channel' }).tasks
    expect(prepare?.requirements).toMatchObject({ model_id: null, language: null, split_channels: true })
    expect(transcribe?.requirements).toMatchObject({
      model_id: 'english',
      language: 'en',
      word_timestamps: true,
      diarization: false,
      split_channels: false,
    })
    expect(aJob({ granularity: 'segment' }).tasks[1]?.requirements.word_timestamps).toBe(false)
  })

  test('[G5] modular never relies on the diarization of a transcriber', () => {
    const engines = [...others, modelOf('both', { word_timestamps: true, diarization: true })]
    const shape = shapeOf({ speakerDetection: 'diarize', enginePreference: 'modular', engines })
    expect(Object.keys(shape)).toEqual(['prepare', 'transcribe', 'diarize', 'merge'])
  })

  test('[G6] nobody asks for align by name: without an aligner it is left out, with a reason', () => {
    const engines = PLAIN.filter(({ manifest }) => manifest.id !== 'align')
    const { pipeline } = aJob({ engines })
    expect(pipeline?.skipped).toEqual([{ stage: 'align', reason: 'no engine for align runs' }])
    expect(aJob({ engines, required: { align: true } }).pipeline).toBeNull()
  })

  test('[G6] what was asked for by name is left out only when the caller said so', () => {
    const engines = PLAIN.filter(({ manifest }) => manifest.id !== 'diarize')
    const asked = { speakerDetection: 'diarize', engines } as const
    expect(aJob(asked).pipeline).toBeNull()
    expect(aJob({ ...asked, required: { diarize: false } }).pipeline?.skipped).toMatchObject([
      { stage: 'diarize' },
    ])
  })

  test('[G3] a stage that the product promises is required; what enriches it is not, unless the caller says so', () => {
    const required = (parts: Parameters<typeof aJob>[0]) =>
      aJob(parts)
        .tasks.filter((task) => task.required)
        .map(({ stage }) => stage)
    const parts = { speakerDetection: 'diarize', redactPiiAudio: true, enrichment: ALL } as const
    expect(required(parts)).toEqual(['prepare', 'transcribe', 'pii_detect', 'audio_redact', 'merge'])
    expect(required({ ...parts, required: { diarize: true } })).toContain('diarize')
  })

  test('[G7] the model that was selected stays the model of the job', () => {
    expect(aJob().tasks[1]).toMatchObject({
      requirements: { model_id: 'english' },
      preferred: { engineId: 'ctc', modelId: 'english' },
    })
  })
})

test('[J10] every task id parses, and each fence writes where no other does', () => {
  for (const { id } of aJob({ redactPiiAudio: true, speakerDetection: 'per_channel' }).tasks) {
    expect(TaskId.parse(id)).toBe(id)
  }
  expect(outputPrefix(taskId('prepare'), 3)).toBe(`jobs/${jobId()}/prepare/f3/`)
})

function channels(spec: ReturnType<typeof aJob>, count: number): Record<string, string[]> {
  if (spec.pipeline === null) throw new Error('expected a pipeline')
  const tasks = planTasks(jobId(), spec.parameters, spec.pipeline, count)
  for (const { id } of tasks) TaskId.parse(id)
  return Object.fromEntries(tasks.map(({ id, dependsOn }) => [short(id), dependsOn.map(short)]))
}
