import type { CreateJobFields } from '#protocol/api.ts'
import type { JobId, ModelId, TaskId } from '#protocol/ids.ts'
import { ALWAYS_REQUIRED, type Stage } from '#protocol/stage.ts'
import type { Requirements } from '#protocol/task.ts'
import type { Granularity } from '#protocol/transcript.ts'

/**
 * The shape of a job: which tasks it has and what each reads. Pure: parameters and the chosen engines' capabilities in,
 * tasks out. A task depends only on what it reads, so branches run in parallel.
 */
export interface JobParameters {
  readonly modelId: ModelId | null
  readonly language: string | null
  readonly granularity: Granularity
  readonly speakerDetection: CreateJobFields['speaker_detection']
  readonly piiDetection: boolean
  readonly redactPiiAudio: boolean
}

export interface PlannedTask {
  readonly id: TaskId
  readonly stage: Stage
  readonly dependsOn: readonly TaskId[]
  readonly requirements: Requirements
  readonly required: boolean
}

/** What each stage that the parameters ask for needs of an engine, in pipeline order. `merge` runs at the edge. */
export function stageRequirements(parameters: JobParameters): Requirements[] {
  const stages: Stage[] = ['prepare', 'transcribe']
  if (parameters.speakerDetection === 'diarize') stages.push('diarize')
  if (parameters.piiDetection || parameters.redactPiiAudio) stages.push('pii_detect')
  if (parameters.redactPiiAudio) stages.push('audio_redact')
  return stages.map((stage) => requirementsOf(stage, parameters))
}

/** The tasks of a job whose stages all found an engine. */
export function planTasks(jobId: JobId, parameters: JobParameters): PlannedTask[] {
  const prepare = taskId(jobId, 'prepare')
  const transcribe = taskId(jobId, 'transcribe')
  const reads: Partial<Record<Stage, readonly TaskId[]>> = {
    prepare: [],
    transcribe: [prepare],
    diarize: [prepare],
    pii_detect: [transcribe],
    audio_redact: [prepare, taskId(jobId, 'pii_detect')],
  }
  const tasks = stageRequirements(parameters).map(
    (requirements): PlannedTask => ({
      id: taskId(jobId, requirements.stage),
      stage: requirements.stage,
      dependsOn: reads[requirements.stage] ?? [],
      requirements,
      required: ALWAYS_REQUIRED.has(requirements.stage),
    }),
  )
  const merge: PlannedTask = {
    id: taskId(jobId, 'merge'),
    stage: 'merge',
    dependsOn: tasks.map((task) => task.id),
    requirements: requirementsOf('merge', parameters),
    required: true,
  }
  return [...tasks, merge]
}

function requirementsOf(stage: Stage, parameters: JobParameters): Requirements {
  const transcribes = stage === 'transcribe'
  return {
    stage,
    engine_id: null,
    model_id: transcribes ? parameters.modelId : null,
    language: transcribes ? parameters.language : null,
    word_timestamps: transcribes && parameters.granularity === 'word',
    split_channels: stage === 'prepare' && parameters.speakerDetection === 'per_channel',
  }
}

function taskId(jobId: JobId, stage: Stage): TaskId {
  // A job id, a dot and a stage are a task id by the definition of TaskId.
  return `${jobId}.${stage}` as TaskId
}
