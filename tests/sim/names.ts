import type { JobId, TaskId } from '#protocol/ids.ts'
import { AgentId, JobId as JobIdSchema, OperationId, TaskId as TaskIdSchema } from '#protocol/ids.ts'

/** Jobs and agents are numbers here: `job3.prepare` is short for a task id, and `job3.prepare#2` for it and a fence. */
const tasks = new Map<string, TaskId>()
const shorts = new Map<string, string>()

export function jobIdOf(number: number): JobId {
  return JobIdSchema.parse(`job_${String(number).padStart(26, '0')}`)
}

export function agentIdOf(number: number): AgentId {
  return AgentId.parse(`agent_${String(number).padStart(26, '0')}`)
}

/** An operator's operations count from 1; the nth time that job 3 asks for engines, its pull would be number 3000 + n. */
export function operationIdOf(number: number): OperationId {
  return OperationId.parse(`op_${String(number).padStart(26, '0')}`)
}

const PULLS_A_JOB = 1_000

export function pullOf(job: number, nth: number): number {
  return job * PULLS_A_JOB + nth
}

/** The job that an operation pulls for; null for an operator's. */
export function pullingJob(operation: number): number | null {
  return operation < PULLS_A_JOB ? null : Math.floor(operation / PULLS_A_JOB)
}

export function numberOf(id: JobId | AgentId | OperationId): number {
  return Number(id.slice(id.indexOf('_') + 1))
}

export function shortOf(taskId: TaskId): string {
  const known = shorts.get(taskId)
  if (known !== undefined) return known
  const dot = taskId.indexOf('.')
  const short = `job${Number(taskId.slice(4, dot))}${taskId.slice(dot)}`
  shorts.set(taskId, short)
  return short
}

export function taskOf(short: string): TaskId {
  const known = tasks.get(short)
  if (known !== undefined) return known
  const dot = short.indexOf('.')
  const id = TaskIdSchema.parse(`${jobIdOf(Number(short.slice(3, dot)))}${short.slice(dot)}`)
  tasks.set(short, id)
  return id
}

/** The part behind the job, with the channel where there is one. */
export function stageOf(taskId: TaskId): string {
  return taskId.slice(taskId.indexOf('.') + 1)
}

export function grantOf(task: string | TaskId, fence: number): string {
  return `${task}#${fence}`
}
