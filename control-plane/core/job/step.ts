import { isTerminal } from '#protocol/job.ts'
import type { Machine, Step } from '../machine.ts'
import { earliest, nextDueMs } from '../outbox.ts'
import type { JobEffect } from './effects.ts'
import { end, enqueueReady, saveIndex } from './flow.ts'
import type { JobInput, JobReply } from './input.ts'
import { placed, progressed, started } from './reports.ts'
import { lost, result } from './results.ts'
import { isDispatched, type JobMachineState, type TaskState } from './state.ts'
import { Turn } from './turn.ts'

/** A dispatched task that nobody spoke of for this long is asked after (a Job that hears nothing for 60 s asks). */
const SILENCE_MS = 60_000

/** The job machine: one job's tasks, fences and accepted results. Pure. */
export const jobMachine: Machine<JobMachineState, JobInput, JobEffect, JobReply> = {
  step(state, input, nowMs): Step<JobMachineState, JobEffect, JobReply> {
    const turn = new Turn(state, nowMs)
    const reply = decide(turn, input)
    return { state: turn.state(), changes: turn.changes(), effects: turn.effects, reply }
  },

  nextWakeMs(state) {
    if (state.job === null) return null
    const times = [nextDueMs(state.outbox)]
    for (const task of state.job.tasks.values()) times.push(task.retryAtMs, inquiryMs(state, task))
    return earliest(times)
  },
}

function decide(turn: Turn, input: JobInput): JobReply {
  if (input.type === 'create') return create(turn, input)
  if (turn.job === null) return 'gone'
  switch (input.type) {
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

function create(turn: Turn, input: Extract<JobInput, { type: 'create' }>): JobReply {
  if (turn.job !== null) return 'ok'
  turn.record({ type: 'created', spec: input.spec })
  saveIndex(turn)
  enqueueReady(turn)
  return 'created'
}

function cancel(turn: Turn): JobReply {
  if (turn.job === null || isTerminal(turn.job.status)) return 'conflict'
  end(turn, { type: 'job_cancelled' })
  return 'ok'
}

function wake(turn: Turn): JobReply {
  turn.repeatDue()
  if (turn.job === null || isTerminal(turn.job.status)) return 'ok'
  enqueueReady(turn)
  for (const task of turn.job.tasks.values()) {
    const dueMs = inquiryMs(turn.state(), task)
    if (dueMs === null || dueMs > turn.nowMs) continue
    const { id: taskId } = task.plan
    turn.hear(taskId)
    turn.effects.push({ type: 'registry.inquire', pool: turn.job.spec.pool, taskId, fence: task.fence })
  }
  return 'ok'
}

/** When the registry is asked after a task; null for one that it does not hold. */
function inquiryMs({ live }: JobMachineState, task: TaskState): number | null {
  if (!isDispatched(task) || task.plan.stage === 'merge') return null
  return (live.heardMs.get(task.plan.id) ?? task.readyAtMs ?? 0) + SILENCE_MS
}
