import type { EngineId, JobId, ModelId, TaskId } from '#protocol/ids.ts'
import { ALWAYS_REQUIRED, STAGES, type Stage } from '#protocol/stage.ts'
import type { Requirements } from '#protocol/task.ts'
import type { JobParameters } from './parameters.ts'
import type { ChosenStage, Pipeline } from './pipeline.ts'
import type { Speed } from './speed.ts'

/**
 * The shape of a job: which tasks it has and what each reads. Pure: the chosen engines in, tasks out. A task depends only
 * on what it reads, so branches run in parallel.
 *
 *   prepare ─┬─ transcribe ── align ──┬─ pii_detect ── detect_topics ── refine ── merge
 *            ├─ diarize ──────────────┤       └─ audio_redact (with prepare)
 *            └─ detect_events         └─ detect_emotions (with prepare)
 */
export interface PlannedTask {
  readonly id: TaskId
  readonly stage: Stage
  /** The channel that it handles; null for all of them. */
  readonly channel: number | null
  readonly dependsOn: readonly TaskId[]
  readonly requirements: Requirements
  /** What selection put in front; another engine that meets the requirements may take the task. */
  readonly preferred: { readonly engineId: EngineId | null; readonly modelId: ModelId | null }
  /** How fast the stage in front is; null when nobody measured it. */
  readonly speed: Speed | null
  readonly required: boolean
}

/**
 * The tasks of a job. `channels` is null until prepare has told how many there are (and where nothing is split): then
 * one transcribe, and align, stand for all.
 */
export function planTasks(
  jobId: JobId,
  parameters: JobParameters,
  pipeline: Pipeline,
  channels: number | null,
): PlannedTask[] {
  const chosen = new Map(pipeline.stages.map((stage) => [stage.requirements.stage, stage]))
  const split = channels === null ? [null] : Array.from({ length: channels }, (_, channel) => channel)
  const tasks = STAGES.flatMap((stage): PlannedTask[] => {
    const choice = chosen.get(stage)
    if (choice === undefined) return []
    const each = isSplit(stage) ? split : [null]
    return each.map((channel) => task(stage, channel, choice))
  })
  const has = (stages: readonly Stage[], channel?: number | null) =>
    tasks
      .filter((one) => stages.includes(one.stage) && (channel === undefined || one.channel === channel))
      .map((one) => one.id)

  function task(stage: Stage, channel: number | null, choice: ChosenStage): PlannedTask {
    const { requirements, engineId, modelId, speed } = choice
    return {
      id: taskId(jobId, stage, channel),
      stage,
      channel,
      dependsOn: [],
      requirements,
      preferred: { engineId, modelId },
      speed,
      required: parameters.required[stage] ?? ALWAYS_REQUIRED.has(stage),
    }
  }
  const linked = tasks.map((one) => ({ ...one, dependsOn: reads(one, has) }))
  return [...linked, mergeTask(jobId, linked)]
}

type Find = (stages: readonly Stage[], channel?: number | null) => TaskId[]

/** Who reads text reads the last form of it: redacted when that was asked, else aligned, else as transcribed. */
function reads({ stage, channel }: PlannedTask, find: Find): TaskId[] {
  const spoken: readonly Stage[] = ['transcribe', 'align']
  const redacted = find(['pii_detect'])
  switch (stage) {
    case 'prepare':
    case 'merge':
      return []
    case 'transcribe':
    case 'diarize':
    case 'detect_events':
      return find(['prepare'])
    case 'align':
      return [...find(['prepare']), ...find(['transcribe'], channel)]
    case 'detect_emotions':
      return [...find(['prepare']), ...find(spoken)]
    case 'pii_detect':
      return find(spoken)
    case 'audio_redact':
      return [...find(['prepare']), ...redacted]
    case 'detect_topics':
      return redacted.length > 0 ? redacted : find(spoken)
    case 'refine': {
      const beside = find(['diarize', 'detect_emotions', 'detect_events', 'detect_topics'])
      return [...(redacted.length > 0 ? redacted : find(spoken)), ...beside]
    }
  }
}

function mergeTask(jobId: JobId, tasks: readonly PlannedTask[]): PlannedTask {
  return {
    id: taskId(jobId, 'merge', null),
    stage: 'merge',
    channel: null,
    dependsOn: tasks.map((task) => task.id),
    requirements: {
      stage: 'merge',
      engine_id: null,
      model_id: null,
      language: null,
      word_timestamps: false,
      diarization: false,
      translation: false,
      split_channels: false,
      streaming: false,
    },
    preferred: { engineId: null, modelId: null },
    speed: null,
    required: true,
  }
}

function isSplit(stage: Stage): boolean {
  return stage === 'transcribe' || stage === 'align'
}

function taskId(jobId: JobId, stage: Stage, channel: number | null): TaskId {
  // A job id, a dot and a stage (and a channel) are a task id by the definition of TaskId.
  return `${jobId}.${stage}${channel === null ? '' : `.ch${channel}`}` as TaskId
}
