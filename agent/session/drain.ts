import type { Effect, SessionState, Step } from './state.ts'
import { runningTasks } from './state.ts'
import { abort, deliver, each } from './tasks.ts'

/**
 * Draining: no new tasks; running ones finish with their leases extended, or go back when the limit is reached; the
 * agent leaves when no task runs and every result is answered.
 */

/** Unanswered results keep a drained agent no longer than this: they lie on disk and the next start sends them. */
const LAST_ANSWERS_MS = 10_000

/** The first request sets the limit, a second one ends it. */
export function requestDrain(state: SessionState, reason: string, limitMs: number, nowMs: number): Step {
  if (state.drain !== null) {
    return { state: { ...state, drain: { ...state.drain, untilMs: nowMs } }, effects: [] }
  }
  const draining = { ...state, drain: { reason, untilMs: nowMs + limitMs, idleSinceMs: null } }
  return { state: draining, effects: state.link.kind === 'up' ? announcement(draining) : [] }
}

/** What the server is told of it, again after each welcome. */
export function announcement(state: SessionState): Effect[] {
  if (state.drain === null) return []
  return [{ type: 'send', message: { type: 'agent.draining', reason: state.drain.reason } }]
}

/** At the limit: running tasks stop, and the server hears at once that they are free. */
export function handBackAtLimit(state: SessionState, nowMs: number): Step {
  const { drain } = state
  if (drain === null || nowMs < drain.untilMs) return { state, effects: [] }
  return each(state, runningTasks(state), (next, { grant }) => {
    const stopped = abort(next, grant, 'handed_back', null)
    const returned = deliver(stopped.state, grant, { status: 'handed_back', reason: drain.reason }, nowMs)
    return { state: returned.state, effects: [...stopped.effects, ...returned.effects] }
  })
}

export function leaveWhenDone(state: SessionState, nowMs: number): Step {
  if (state.drain === null) return { state, effects: [] }
  const idleSinceMs = state.tasks.size > 0 ? null : (state.drain.idleSinceMs ?? nowMs)
  const next = { ...state, drain: { ...state.drain, idleSinceMs } }
  const done = idleSinceMs !== null && (state.outbox.size === 0 || nowMs >= idleSinceMs + LAST_ANSWERS_MS)
  return { state: next, effects: done ? [{ type: 'leave' }] : [] }
}

/** When the drain next needs a look; Infinity without one. */
export function drainWakeMs(state: SessionState): number {
  if (state.drain === null) return Number.POSITIVE_INFINITY
  if (state.drain.idleSinceMs !== null) return state.drain.idleSinceMs + LAST_ANSWERS_MS
  return runningTasks(state).length > 0 ? state.drain.untilMs : Number.POSITIVE_INFINITY
}
