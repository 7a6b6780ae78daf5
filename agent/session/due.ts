import { dueAtMs, sentReport } from '../progress.ts'
import { dispatch } from './delivery.ts'
import { drainWakeMs, handBackAtLimit, leaveWhenDone } from './drain.ts'
import {
  type Effect,
  grantOf,
  heldGrants,
  type RunningTask,
  runningTasks,
  type SessionState,
  type Step,
  withEntry,
} from './state.ts'
import { each } from './tasks.ts'

/** Everything that is due now, in the order in which it must happen. Runs after every event. */
export function settle(state: SessionState, nowMs: number): Step {
  const due = [expireReservations, handBackAtLimit, sendReports, extendLeases, sendResults, leaveWhenDone]
  return each(state, due, (next, run) => run(next, nowMs))
}

/** When `settle` has something to do again; null: only after an event. */
export function nextWakeMs(state: SessionState): number | null {
  const next = Math.min(
    drainWakeMs(state),
    state.link.kind === 'up' ? state.link.nextExtendMs : Number.POSITIVE_INFINITY,
    ...[...state.outbox.values()].map((delivery) => delivery.nextMs),
    ...[...state.tasks.values()].map((task) => {
      if (task.kind === 'accepted') return task.untilMs
      return task.kind === 'running' && state.link.kind === 'up'
        ? dueAtMs(task.throttle)
        : Number.POSITIVE_INFINITY
    }),
  )
  return Number.isFinite(next) ? next : null
}

function expireReservations(state: SessionState, nowMs: number): Step {
  const tasks = [...state.tasks].filter(([, task]) => task.kind !== 'accepted' || nowMs < task.untilMs)
  return {
    state: tasks.length === state.tasks.size ? state : { ...state, tasks: new Map(tasks) },
    effects: [],
  }
}

function sendReports(state: SessionState, nowMs: number): Step {
  if (state.link.kind !== 'up') return { state, effects: [] }
  const due = runningTasks(state).filter((task) => dueAtMs(task.throttle) <= nowMs)
  return each(state, due, (next, task) => sendReport(next, task, nowMs))
}

/** Sends the report that waits, whether due or not: the last one goes when its task ends. */
export function sendReport(state: SessionState, task: RunningTask, nowMs: number): Step {
  const report = task.throttle.pending
  if (report === null || state.link.kind !== 'up') return { state, effects: [] }
  const sent = { ...task, n: task.n + 1, throttle: sentReport(nowMs) }
  const message = { type: 'task.progress', ...task.grant, n: sent.n, ...report } as const
  return {
    state: { ...state, tasks: withEntry(state.tasks, task.grant, sent) },
    effects: [{ type: 'send', message }],
  }
}

function extendLeases(state: SessionState, nowMs: number): Step {
  if (state.link.kind !== 'up' || nowMs < state.link.nextExtendMs) return { state, effects: [] }
  const leases = heldGrants(state)
  const link = { ...state.link, nextExtendMs: nowMs + state.link.leaseExtendMs }
  return {
    state: { ...state, link },
    effects: leases.length === 0 ? [] : [{ type: 'send', message: { type: 'lease.extend', leases } }],
  }
}

function sendResults(state: SessionState, nowMs: number): Step {
  const due = [...state.outbox.values()].filter((delivery) => delivery.nextMs <= nowMs)
  return each(state, due, (next, waiting) => {
    const { by, delivery } = dispatch(waiting, next.link.kind === 'up', next.resultAckMs, nowMs)
    const { result } = delivery
    const effects: Effect[] =
      by === 'socket'
        ? [{ type: 'send', message: result }]
        : by === 'post'
          ? [{ type: 'postResult', result }]
          : []
    return { state: { ...next, outbox: withEntry(next.outbox, grantOf(result), delivery) }, effects }
  })
}
