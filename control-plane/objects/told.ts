import type { JobInput } from '#core/job/input.ts'
import type { TrackedEffect } from '#core/registry/effects.ts'

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
    case 'job.selected':
      return { type: 'selected', pipeline: effect.pipeline }
  }
}
