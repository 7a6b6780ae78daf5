import type { TaskId } from '#protocol/ids.ts'
import type { Artifact, TaskParameters } from '#protocol/task.ts'
import { type Dispatch, outputPrefix } from '../dispatch.ts'
import type { MergeOrder } from './effects.ts'
import type { JobState, TaskState } from './state.ts'
import { enqueueId, type Turn } from './turn.ts'
import { audioSeconds } from './view.ts'

/** A task runs at most this many times as long as its audio, and never less than the floor: a hung child must end. */
const RUN_LIMIT_FACTOR = 5
const RUN_LIMIT_FLOOR_MS = 600_000
/** Before prepare has run nobody knows how long the audio is. */
const RUN_LIMIT_UNKNOWN_MS = 3_600_000

/** Order the run of a task that was just enqueued: `merge` at the edge, everything else from the registry. */
export function orderOf(turn: Turn, taskId: TaskId): void {
  const { job } = turn
  const task = turn.task(taskId)
  if (job === null || task === null) return
  const { spec } = job
  const { fence, plan } = task
  const inputs = inputsOf(job, task)
  const parameters = parametersOf(job)
  const prefix = outputPrefix(taskId, fence)
  if (plan.stage === 'merge') {
    const runner = { agentId: null, engineId: 'edge', modelId: null, embeddedModel: false }
    turn.record({ type: 'started', taskId, fence, runner })
    const merge: MergeOrder = {
      taskId,
      fence,
      inputs,
      parameters,
      transcription: transcription(job),
      outputPrefix: prefix,
    }
    turn.order(mergeId(fence), { type: 'merge.run', merge })
    return
  }
  const dispatch: Dispatch = {
    taskId,
    jobId: spec.jobId,
    fence,
    stage: plan.stage,
    requirements: plan.requirements,
    inputs,
    parameters,
    outputPrefix: prefix,
    runLimitMs: runLimitMs(parameters.audio_seconds),
    queuedAtMs: turn.nowMs,
  }
  turn.order(enqueueId(taskId, fence), { type: 'registry.enqueue', pool: spec.pool, dispatch })
}

/** Merge is the one task that the edge runs, so its fence names the call. */
export function mergeId(fence: number): string {
  return `merge:${fence}`
}

/** What a task reads: the upload at the root of the graph, else what the tasks that it depends on wrote. */
function inputsOf(job: JobState, task: TaskState): Artifact[] {
  if (task.plan.dependsOn.length === 0) return [job.spec.upload]
  return task.plan.dependsOn.flatMap((id) => [...(job.tasks.get(id)?.artifacts ?? [])])
}

function transcription(job: JobState): MergeOrder['transcription'] {
  for (const { summary } of job.tasks.values()) if (summary?.stage === 'transcribe') return summary
  return { language: null, language_source: null, warnings: [] }
}

function parametersOf(job: JobState): TaskParameters {
  const { parameters, fileName } = job.spec
  return {
    file_name: fileName,
    language: parameters.language,
    granularity: parameters.granularity,
    audio_seconds: audioSeconds(job),
  }
}

function runLimitMs(seconds: number | null): number {
  if (seconds === null) return RUN_LIMIT_UNKNOWN_MS
  return Math.max(RUN_LIMIT_FLOOR_MS, Math.ceil(seconds * RUN_LIMIT_FACTOR * 1000))
}
