import { expect, test } from 'vitest'
import { planTasks, stageRequirements } from '#core/dag.ts'
import { outputPrefix } from '#core/dispatch.ts'
import { ModelId, TaskId } from '#protocol/ids.ts'
import { aJob, jobId, taskId } from './kit/builders.ts'

/** The shape of a job: which tasks it has, what each reads, what it needs of an engine. */
const shapeOf = (parts: Parameters<typeof aJob>[0] = {}) =>
  Object.fromEntries(
    aJob(parts).tasks.map(({ stage, dependsOn }) => [
      stage,
      dependsOn.map((id) => id.slice(id.indexOf('.') + 1)),
    ]),
  )

test.each([
  ['a plain job', {}, { prepare: [], transcribe: ['prepare'], merge: ['prepare', 'transcribe'] }],
  [
    'diarization, beside the transcription',
    { speakerDetection: 'diarize' },
    {
      prepare: [],
      transcribe: ['prepare'],
      diarize: ['prepare'],
      merge: ['prepare', 'transcribe', 'diarize'],
    },
  ],
  [
    'redaction of text and audio',
    { redactPiiAudio: true },
    {
      prepare: [],
      transcribe: ['prepare'],
      pii_detect: ['transcribe'],
      audio_redact: ['prepare', 'pii_detect'],
      merge: ['prepare', 'transcribe', 'pii_detect', 'audio_redact'],
    },
  ],
] as const)('[G1] the graph of %s', (_name, parts, shape) => {
  expect(shapeOf(parts)).toEqual(shape)
})

test('[G2] only what the parameters rely on is asked of an engine, and of the stage that must bring it', () => {
  const modelId = ModelId.parse('english')
  const requirements = stageRequirements({ ...aJob({ modelId, speakerDetection: 'per_channel' }).parameters })
  expect(requirements).toMatchObject([
    { stage: 'prepare', model_id: null, language: null, word_timestamps: false, split_channels: true },
    {
      stage: 'transcribe',
      model_id: 'english',
      language: 'en',
      word_timestamps: true,
      split_channels: false,
    },
  ])
  expect(stageRequirements(aJob({ granularity: 'segment' }).parameters)[1]?.word_timestamps).toBe(false)
})

test('[G3] a stage that the product promises is required; what enriches it is not', () => {
  const tasks = planTasks(jobId(), aJob({ speakerDetection: 'diarize', redactPiiAudio: true }).parameters)
  const optional = tasks.filter(({ required }) => !required).map(({ stage }) => stage)
  expect(optional).toEqual(['diarize'])
})

test('[G4] task ids have their form, and outputs lie under job, stage and fence', () => {
  for (const { id } of aJob({ redactPiiAudio: true }).tasks) expect(TaskId.parse(id)).toBe(id)
  expect(outputPrefix(taskId('transcribe'), 3)).toBe(`jobs/${jobId()}/transcribe/f3/`)
})
