import {
  type AgentId,
  type JobId,
  jobIdOf,
  type ModelId,
  type Pool,
  type TaskId,
  type TenantId,
} from '#protocol/ids.ts'
import type { Stage } from '#protocol/stage.ts'
import type { Artifact, Requirements, TaskParameters } from '#protocol/task.ts'

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
}

/** Who runs a task. The engine `edge` runs in the Worker itself and has no agent. */
export interface Runner {
  readonly agentId: AgentId | null
  readonly engineId: string
  readonly modelId: ModelId | null
  readonly embeddedModel: boolean
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

/** Everything that belongs to one job lies under this prefix. */
export function jobPrefix(jobId: JobId): string {
  return `jobs/${jobId}/`
}
