import { isTerminal } from '#protocol/job.ts'
import type { Machine } from '../machine.ts'
import { earliest, nextDueMs } from '../outbox.ts'
import { type CoreSettings, DEFAULTS } from '../settings.ts'
import type { JobEffect } from './effects.ts'
import { end, enqueueReady } from './flow.ts'
import type { JobInput, JobReply } from './input.ts'
import { placed, progressed, started } from './reports.ts'
import { lost, result } from './results.ts'
import { isDispatched, type JobMachineState, type TaskState } from './state.ts'
import { Turn } from './turn.ts'
import { copied, create, expire, nextExpiryMs, selected, unavailable, unselected } from './waiting.ts'

type JobMachine = Machine<JobMachineState, JobInput, JobEffect, JobReply>

/** The job machine: one job's tasks, fences and accepted results. Pure. */
export function jobMachine(settings: CoreSettings = DEFAULTS): JobMachine {
  return {
    step(state, input, nowMs) {
      const turn = new Turn(state, nowMs, settings)
      const reply = decide(turn, input)
      return { state: turn.state(), changes: turn.changes(), effects: turn.effects, reply }
    },

    nextWakeMs(state) {
      if (state.job === null) return null
      const times = [nextDueMs(state.outbox), nextExpiryMs(state, settings)]
      for (const task of state.job.tasks.values()) {
        times.push(task.retryAtMs, inquiryMs(state, task, settings))
      }
      return earliest(times)
    },
  }
}

function decide(turn: Turn, input: JobInput): JobReply {
  if (input.type === 'create') return create(turn, input)
  if (turn.job === null) return 'gone'
  switch (input.type) {
    case 'selected':
      return selected(turn, input)
    case 'unselected':
      return unselected(turn, input)
    case 'unavailable':
      return unavailable(turn, input)
    case 'copied':
      return copied(turn, input)
    case 'task.started':
      return started(turn, input)
    case 'task.progress':
      return progressed(turn, input)
    case 'task.result':
      return result(turn, input)
    case 'task.lost':
      return lost(turn, input)
    case 'task.placed':
      return placed(turn, input)
    case 'effect.answered':
      turn.answered(input.id)
      return 'ok'
    case 'cancel':
      return cancel(turn)
    case 'wake':
      return wake(turn)
  }
}

function cancel(turn: Turn): JobReply {
  if (turn.job === null || isTerminal(turn.job.status)) return 'conflict'
  end(turn, { type: 'job_cancelled' })
  return 'ok'
}

function wake(turn: Turn): JobReply {
  turn.repeatDue()
  expire(turn)
  if (turn.job === null || isTerminal(turn.job.status)) return 'ok'
  enqueueReady(turn)
  for (const task of turn.job.tasks.values()) {
    const dueMs = inquiryMs(turn.state(), task, turn.settings)
    if (dueMs === null || dueMs > turn.nowMs) continue
    const { id: taskId } = task.plan
    turn.hear(taskId)
    turn.effects.push({ type: 'registry.inquire', pool: turn.job.spec.pool, taskId, fence: task.fence })
  }
  return 'ok'
}

/** When the registry is asked after a dispatched task that nobody spoke of; null for one that it does not hold. */
function inquiryMs({ live }: JobMachineState, task: TaskState, { inquiryMs }: CoreSettings): number | null {
  if (!isDispatched(task) || task.plan.stage === 'merge') return null
  return (live.heardMs.get(task.plan.id) ?? task.readyAtMs ?? 0) + inquiryMs
}
