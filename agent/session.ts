import { type AgentMessage, type Grant, PROTOCOL_VERSION } from '#protocol/agent-messages.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import { offerReport, type Report } from './progress.ts'
import { newDelivery, postponed } from './session/delivery.ts'
import { requestDrain } from './session/drain.ts'
import { nextWakeMs, sendReport, settle } from './session/due.ts'
import { onMessage } from './session/messages.ts'
import {
  grantKey,
  grantOf,
  runningTasks,
  type SessionEvent,
  type SessionState,
  type Step,
  type TaskResult,
  withEntry,
  withoutEntry,
} from './session/state.ts'
import { answer, deliver } from './session/tasks.ts'

/**
 * The agent's side of the protocol as a pure machine: what happened and when go in, the next state and the orders come
 * out. It does no I/O and reads no clock; `agent.ts` feeds it, performs its effects, and wakes it at `nextWakeMs`.
 *
 *   offer → accepted → granted → running → ended → outbox → answered
 *               │                   └ cancel, lost, drain limit → ending (slot held until the child is gone)
 *               └ no grant in time, link lost: the slot is free again
 *
 * A lost link stops nothing: running tasks go on, and the next welcome says which of them still hold.
 */
export { nextWakeMs }

/** Before a welcome says otherwise: the value of the protocol's table. */
const DEFAULT_RESULT_ACK_MS = 5_000

export function newSession(
  start: Pick<SessionState, 'identity' | 'engines' | 'modelsFreeBytes'> & {
    readonly unanswered: readonly TaskResult[]
  },
  nowMs: number,
): SessionState {
  return {
    identity: start.identity,
    engines: start.engines,
    modelsFreeBytes: start.modelsFreeBytes,
    link: { kind: 'down' },
    tasks: new Map(),
    outbox: new Map(start.unanswered.map((result) => [grantKey(result), newDelivery(result, nowMs, true)])),
    drain: null,
    resultAckMs: DEFAULT_RESULT_ACK_MS,
  }
}

/** One event, then everything that is due. `nowMs` never runs backwards. */
export function step(state: SessionState, event: SessionEvent, nowMs: number): Step {
  const changed = apply(state, event, nowMs)
  const settled = settle(changed.state, nowMs)
  return { state: settled.state, effects: [...changed.effects, ...settled.effects] }
}

function apply(state: SessionState, event: SessionEvent, nowMs: number): Step {
  switch (event.type) {
    case 'link.opened':
      return greet(state)
    case 'link.closed':
      return loseLink(state)
    case 'message':
      return onMessage(state, event.message, nowMs)
    case 'engines.changed':
      return announce({ ...state, engines: event.engines, modelsFreeBytes: event.modelsFreeBytes })
    case 'order.reported':
      // Without a link it is not kept: the server sends the order again, and gets the state of then.
      if (state.link.kind !== 'up') return { state, effects: [] }
      return { state, effects: [{ type: 'send', message: event.message }] }
    case 'task.reported':
      return report(state, event.grant, event.report)
    case 'task.ended':
      return end(state, event.grant, event.outcome, nowMs)
    case 'result.posted':
      if (event.answer !== null) return answer(state, event.grant, event.answer)
      return postpone(state, event.grant, event.random, event.retryAfterMs, nowMs)
    case 'drain.requested':
      return requestDrain(state, event.reason, event.limitMs, nowMs)
    case 'wake':
      return { state, effects: [] }
  }
}

function greet(state: SessionState): Step {
  const { version, platform, slots, memoryMib, labels } = state.identity
  const hello: AgentMessage = {
    type: 'agent.hello',
    protocol: { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION },
    version,
    platform,
    slots,
    memory_mib: memoryMib,
    models_free_bytes: state.modelsFreeBytes,
    labels: [...labels],
    engines: [...state.engines],
    // Every result that waits may still hold its grant: the welcome says which.
    running: [
      ...runningTasks(state).map((task) => task.grant),
      ...[...state.outbox.values()].map((one) => grantOf(one.result)),
    ],
  }
  return { state: { ...state, link: { kind: 'greeting' } }, effects: [{ type: 'send', message: hello }] }
}

/** Reservations die with the link: no grant can follow them. */
function loseLink(state: SessionState): Step {
  const tasks = new Map([...state.tasks].filter(([, task]) => task.kind !== 'accepted'))
  return { state: { ...state, link: { kind: 'down' }, tasks }, effects: [] }
}

function announce(state: SessionState): Step {
  if (state.link.kind !== 'up') return { state, effects: [] }
  const message: AgentMessage = {
    type: 'agent.status',
    slots: state.identity.slots,
    models_free_bytes: state.modelsFreeBytes,
    engines: [...state.engines],
  }
  return { state, effects: [{ type: 'send', message }] }
}

function report(state: SessionState, grant: Grant, news: Report): Step {
  const task = state.tasks.get(grantKey(grant))
  if (task?.kind !== 'running') return { state, effects: [] }
  const waiting = { ...task, throttle: offerReport(task.throttle, news) }
  return { state: { ...state, tasks: withEntry(state.tasks, grant, waiting) }, effects: [] }
}

/** The slot is free. A running task delivers its outcome; an aborted one only what its abort still owes. */
function end(state: SessionState, grant: Grant, outcome: TaskOutcome, nowMs: number): Step {
  const task = state.tasks.get(grantKey(grant))
  if (task === undefined || task.kind === 'accepted') return { state, effects: [] }
  const last = task.kind === 'running' ? sendReport(state, task, nowMs) : { state, effects: [] }
  const freed = { ...last.state, tasks: withoutEntry(last.state.tasks, grant) }
  const owed = task.kind === 'running' ? outcome : task.outcome
  if (owed === null) return { state: freed, effects: last.effects }
  const delivered = deliver(freed, grant, owed, nowMs)
  return { state: delivered.state, effects: [...last.effects, ...delivered.effects] }
}

function postpone(
  state: SessionState,
  grant: Grant,
  random: number,
  retryAfterMs: number | null,
  nowMs: number,
): Step {
  const delivery = state.outbox.get(grantKey(grant))
  if (delivery === undefined) return { state, effects: [] }
  const later = postponed(delivery, random, retryAfterMs, nowMs)
  return { state: { ...state, outbox: withEntry(state.outbox, grant, later) }, effects: [] }
}
