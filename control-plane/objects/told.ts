import type { JobInput } from '#core/job/input.ts'
import type { TrackedEffect } from '#core/registry/effects.ts'
import type { RegistryInput } from '#core/registry/input.ts'
import type { TaskOutcome } from '#protocol/task.ts'

/** What the registry tells a Job, as that Job's input. */
export function inputOf(
  effect: TrackedEffect,
): Exclude<JobInput, { type: 'create' | 'wake' | 'effect.answered' }> {
  switch (effect.type) {
    case 'job.started': {
      const { taskId, fence, runner } = effect
      return { type: 'task.started', taskId, fence, runner }
    }
    case 'job.lost': {
      const { taskId, fence, counted, error } = effect
      return { type: 'task.lost', taskId, fence, counted, error }
    }
    case 'job.unavailable':
      return { type: 'unavailable', error: effect.error }
    case 'job.selected':
      return { type: 'selected', pipeline: effect.pipeline }
  }
}

type Answered = Extract<RegistryInput, { type: 'result.answered' }>

/** How a run ended, and what a completed one took; its own summary tells the length where prepare just measured it. */
export function endOf(outcome: TaskOutcome): Pick<Answered, 'end' | 'run'> {
  if (outcome.status !== 'completed') return { end: outcome.status, run: null }
  const { summary, metrics } = outcome
  const audioSeconds = summary.stage === 'prepare' ? summary.duration_seconds : null
  return { end: 'completed', run: { metrics, audioSeconds } }
}
