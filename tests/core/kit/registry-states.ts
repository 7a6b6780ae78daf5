import type { TaskOutcome } from '#protocol/task.ts'
import { A_RUN, agentId, NO_RUN, taskId } from './builders.ts'
import { RegistryRun } from './registry-run.ts'

/** A registry with one task, `prepare` of the first job, and where that is. */
export const task = taskId('prepare')
export const grant = { task_id: task, fence: 1 }

export function waiting(): RegistryRun {
  const run = new RegistryRun()
  run.enqueue()
  return run
}
export function offered(): RegistryRun {
  const run = waiting()
  run.hello(1)
  return run
}
export function granted(): RegistryRun {
  const run = offered()
  run.accept(1, task)
  return run
}
export function running(): RegistryRun {
  const run = granted()
  run.start(1, task)
  run.tell({ type: 'effect.answered', id: `started:${task}:1`, answer: 'ok' })
  return run
}
export function answer(
  run: RegistryRun,
  outcome: TaskOutcome,
  reply: 'accepted' | 'stale' | 'gone' = 'accepted',
): void {
  run.says(1, { type: 'task.result', ...grant, outcome })
  const wasCompleted = outcome.status === 'completed'
  const told = {
    agentId: agentId(),
    taskId: task,
    fence: 1,
    ...(wasCompleted ? A_RUN : NO_RUN),
    answer: reply,
  }
  run.tell({ type: 'result.answered', ...told })
}
