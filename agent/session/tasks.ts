import type { Grant } from '#protocol/agent-messages.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import { newDelivery } from './delivery.ts'
import {
  type AbortReason,
  type Answer,
  grantKey,
  type SessionState,
  type Step,
  type TaskResult,
  withEntry,
  withoutEntry,
} from './state.ts'

/** The moves of one task that several events share. Each returns the next state and its orders. */

/** Stops a task that takes a slot. A reservation simply ends; a running task keeps its slot until its child is gone. */
export function abort(
  state: SessionState,
  grant: Grant,
  reason: AbortReason,
  outcome: TaskOutcome | null,
): Step {
  const task = state.tasks.get(grantKey(grant))
  if (task === undefined || task.kind === 'ending') return { state, effects: [] }
  if (task.kind === 'accepted')
    return { state: { ...state, tasks: withoutEntry(state.tasks, grant) }, effects: [] }
  return {
    state: { ...state, tasks: withEntry(state.tasks, grant, { kind: 'ending', grant, outcome }) },
    effects: [{ type: 'abortTask', grant, reason }],
  }
}

/** Puts a result in the outbox, where it stays until it is answered; `settle` sends it in the same step. */
export function deliver(state: SessionState, grant: Grant, outcome: TaskOutcome, nowMs: number): Step {
  const result: TaskResult = { type: 'task.result', ...grant, outcome }
  const outbox = withEntry(state.outbox, grant, newDelivery(result, nowMs, true))
  return { state: { ...state, outbox }, effects: [{ type: 'saveResult', result }] }
}

/** The Job's answer, or a refusal: the only end of a result. */
export function answer(state: SessionState, grant: Grant, given: Answer | 'refused'): Step {
  const delivery = state.outbox.get(grantKey(grant))
  if (delivery === undefined) return { state, effects: [] }
  const keepOutputs = given === 'accepted' || given === 'duplicate'
  return {
    state: { ...state, outbox: withoutEntry(state.outbox, grant) },
    effects: [{ type: 'forgetResult', result: delivery.result, keepOutputs }],
  }
}

/** Runs one move for each item, in order, carrying the state through. */
export function each<T>(
  state: SessionState,
  items: Iterable<T>,
  move: (state: SessionState, item: T) => Step,
): Step {
  let current: Step = { state, effects: [] }
  for (const item of items) {
    const next = move(current.state, item)
    current = { state: next.state, effects: [...current.effects, ...next.effects] }
  }
  return current
}
