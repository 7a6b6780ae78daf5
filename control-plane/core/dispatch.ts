import {
  type AgentId,
  type EngineId,
  JobId,
  jobIdOf,
  type ModelId,
  type Pool,
  type TaskId,
  type TenantId,
} from '#protocol/ids.ts'
import type { Priority } from '#protocol/job.ts'
import type { Stage } from '#protocol/stage.ts'
import type { Artifact, Requirements, TaskParameters } from '#protocol/task.ts'
import type { Speed } from './speed.ts'

/** A task as the Job hands it to the Registry: all that is needed to choose an agent and to grant it. */
export interface Dispatch {
  readonly taskId: TaskId
  readonly jobId: JobId
  readonly fence: number
  readonly stage: Stage
  readonly requirements: Requirements
  readonly inputs: readonly Artifact[]
  readonly parameters: TaskParameters
  readonly outputPrefix: string
  readonly runLimitMs: number
  readonly queuedAtMs: number
  /** Waiting counts from here, so that jobs are finished rather than begun. */
  readonly jobCreatedAtMs: number
  /** What selection put in front: of several that meet the requirements it comes first. */
  readonly preferredEngineId: EngineId | null
  /** Who shares the agents: the key that submitted the job. */
  readonly share: string
  readonly priority: Priority
  /** Seconds of audio to be worked on, as far as known: short work does not stand behind long work. */
  readonly workSeconds: number
  /** Agents that failed it before: they come last. */
  readonly avoid: readonly AgentId[]
  /** When no engine can run it any more: give up at once, or after so long. */
  readonly patienceMs: number
  /** What the job needs after this task, for its agent to load meanwhile. Absent where there is nothing. */
  readonly prefetch?: { readonly engineId: EngineId; readonly modelId: ModelId }
}

/** Who runs a task. The engine `edge` runs in the Worker itself and has no agent. */
export interface Runner {
  readonly agentId: AgentId | null
  readonly engineId: string
  readonly modelId: ModelId | null
  readonly embeddedModel: boolean
  /** Why this agent and no other; null where there was no choice. */
  readonly why: string | null
  /** How fast that engine has run this stage there; null when nobody measured it. */
  readonly speed: Speed | null
}

export interface Owner {
  readonly tenantId: TenantId
  readonly pool: Pool
}

/** Where a task's outputs lie. The fence in the key keeps a late writer from overwriting a newer attempt. */
export function outputPrefix(taskId: TaskId, fence: number): string {
  const jobId = jobIdOf(taskId)
  return `${jobPrefix(jobId)}${taskId.slice(jobId.length + 1)}/f${fence}/`
}

/** The job that an object belongs to. */
export function jobIdOfKey(key: string): JobId {
  return JobId.parse(key.split('/')[1])
}

/** Everything that belongs to one job lies under this prefix. */
export function jobPrefix(jobId: JobId): string {
  return `jobs/${jobId}/`
}
