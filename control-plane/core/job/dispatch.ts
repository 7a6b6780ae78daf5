import type { TaskId } from '#protocol/ids.ts'
import type { Stage } from '#protocol/stage.ts'
import type { Artifact, TaskParameters } from '#protocol/task.ts'
import { type Dispatch, outputPrefix } from '../dispatch.ts'
import { guessedSeconds } from '../eta.ts'
import { PLAIN_SPEECH } from '../parameters.ts'
import { transcriberOf } from '../pipeline.ts'
import type { CoreSettings } from '../settings.ts'
import { languageOf } from '../text-language.ts'
import { inputsOf } from './inputs.ts'
import { mergeOrder } from './merge-order.ts'
import type { JobState, TaskState } from './state.ts'
import { enqueueId, type Turn } from './turn.ts'
import { audioSeconds } from './view.ts'

/** Order the run of a task that was just enqueued: `merge` at the edge, everything else from the registry. */
export function orderOf(turn: Turn, taskId: TaskId): void {
  const { job } = turn
  const task = turn.task(taskId)
  if (job === null || task === null) return
  const { fence, plan } = task
  const parameters = parametersOf(job, task)
  if (plan.stage === 'merge') {
    const runner = {
      agentId: null,
      engineId: 'edge',
      modelId: null,
      embeddedModel: false,
      why: null,
      speed: null,
    }
    turn.record({ type: 'started', taskId, fence, runner })
    turn.order(mergeId(fence), { type: 'merge.run', merge: mergeOrder(job, task, parameters) })
    return
  }
  const inputs = inputsOf(job, task)
  const dispatch = dispatchOf(job, task, inputs, parameters, turn)
  turn.order(enqueueId(taskId, fence), { type: 'registry.enqueue', pool: job.spec.pool, dispatch })
}

/** Merge is the one task that the edge runs, so its fence names the call. */
export function mergeId(fence: number): string {
  return `merge:${fence}`
}

function dispatchOf(
  job: JobState,
  { plan, fence, avoid }: TaskState,
  inputs: readonly Artifact[],
  parameters: TaskParameters,
  { nowMs, settings }: Turn,
): Dispatch {
  const { spec } = job
  const { priority, unavailable } = spec.parameters
  return {
    taskId: plan.id,
    jobId: spec.jobId,
    fence,
    stage: plan.stage,
    requirements: plan.requirements,
    inputs,
    parameters,
    outputPrefix: outputPrefix(plan.id, fence),
    runLimitMs: runLimitMs(parameters.audio_seconds, settings),
    queuedAtMs: nowMs,
    jobCreatedAtMs: job.createdAtMs,
    preferredEngineId: plan.preferred.engineId,
    share: spec.keyId,
    priority,
    workSeconds: parameters.audio_seconds ?? guessedSeconds(job),
    avoid,
    patienceMs: unavailable.behavior === 'wait' ? unavailable.waitMs : 0,
    ...prefetchOf(job, plan.stage),
  }
}

/** The recording is being prepared: whoever does it may load the model that comes next. */
function prefetchOf({ pipeline }: JobState, stage: Stage): Pick<Dispatch, 'prefetch'> {
  const next = pipeline && transcriberOf(pipeline)
  if (stage !== 'prepare' || next === null || next.modelId === null) return {}
  return { prefetch: { engineId: next.engineId, modelId: next.modelId } }
}

function parametersOf(job: JobState, { plan }: TaskState): TaskParameters {
  const { parameters, fileName } = job.spec
  const tellsSpeakers = plan.stage === 'diarize' || plan.requirements.diarization
  return {
    file_name: fileName,
    language: languageOf(plan.stage, parameters, job.pipeline && transcriberOf(job.pipeline)),
    granularity: parameters.granularity,
    ...(parameters.speech ?? PLAIN_SPEECH),
    audio_seconds: audioSeconds(job),
    channel: plan.channel,
    split_channels: plan.requirements.split_channels,
    speakers: tellsSpeakers ? (parameters.speakers ?? { count: null, min: null, max: null }) : null,
    redaction: parameters.redaction,
  }
}

/** A hung child must end: so many times the length of its audio, and never less than the floor. */
function runLimitMs(seconds: number | null, settings: CoreSettings): number {
  if (seconds === null) return settings.runLimitUnknownMs
  return Math.max(settings.runLimitFloorMs, Math.ceil(seconds * settings.runLimitFactor * 1000))
}
