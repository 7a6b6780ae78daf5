import type { z } from 'zod'
import type { Grant, LeaseExtended, ServerMessage, Welcome } from '#protocol/agent-messages.ts'
import { FRESH_THROTTLE } from '../progress.ts'
import { restarted } from './delivery.ts'
import { announcement, requestDrain } from './drain.ts'
import {
  grantKey,
  grantOf,
  runningTasks,
  type SessionState,
  type Step,
  type TaskGranted,
  type TaskOffer,
  withEntry,
} from './state.ts'
import { abort, answer, deliver, each } from './tasks.ts'

/** An accepted offer without a grant is over after twice the time that an offer lives (5 s). */
export const GRANT_WAIT_MS = 10_000

/** What each message of the server does. Every message may come twice, late, or for a grant that is over. */
export function onMessage(state: SessionState, message: ServerMessage, nowMs: number): Step {
  switch (message.type) {
    case 'agent.welcome':
      return onWelcome(state, message, nowMs)
    case 'task.offer':
      return onOffer(state, message, nowMs)
    case 'task.granted':
      return onGranted(state, message, nowMs)
    case 'task.cancel':
      return onCancel(state, grantOf(message), message.reason)
    case 'lease.extended':
      return onLeaseExtended(state, message)
    case 'task.ack':
      return answer(state, grantOf(message), message.answer)
    case 'model.order':
      return { state, effects: [{ type: 'performOrder', order: message }] }
    case 'model.cancel':
      return { state, effects: [{ type: 'cancelOrder', operationId: message.operation_id }] }
    case 'agent.drain':
      if (state.drain !== null) return { state, effects: [] }
      return requestDrain(state, message.reason, state.identity.drainLimitMs, nowMs)
  }
}

/** `resume` decides what goes on. Results are sent again whatever it says: only the Job answers for them. */
function onWelcome(state: SessionState, welcome: z.infer<typeof Welcome>, nowMs: number): Step {
  if (state.link.kind !== 'greeting') return { state, effects: [] }
  const resumed = new Set(welcome.resume.map(grantKey))
  const over = runningTasks(state).filter((task) => !resumed.has(grantKey(task.grant)))
  const ended = each(state, over, (next, task) => abort(next, task.grant, 'lost', null))
  const outbox = new Map(
    [...state.outbox].map(([key, delivery]) => [key, restarted(delivery, nowMs, resumed.has(key))]),
  )
  return {
    state: {
      ...ended.state,
      outbox,
      resultAckMs: welcome.result_ack_ms,
      // At once: a lease that survived the break is short, and so is the life of its token.
      link: { kind: 'up', leaseExtendMs: welcome.lease_extend_ms, nextExtendMs: nowMs },
    },
    effects: [...announcement(state), ...ended.effects],
  }
}

/** Accept or decline at once; the accept takes the slot. */
function onOffer(state: SessionState, offer: TaskOffer, nowMs: number): Step {
  const grant = grantOf(offer)
  const known = state.tasks.get(grantKey(grant))
  if (known?.kind === 'running' || known?.kind === 'ending' || state.outbox.has(grantKey(grant)))
    return { state, effects: [] }
  if (known?.kind === 'accepted')
    return { state, effects: [{ type: 'send', message: { type: 'task.accept', ...grant } }] }
  const reason = whyNot(state, offer)
  if (reason !== null)
    return { state, effects: [{ type: 'send', message: { type: 'task.decline', ...grant, reason } }] }
  const accepted = { kind: 'accepted', grant, offer, untilMs: nowMs + GRANT_WAIT_MS } as const
  return {
    state: { ...state, tasks: withEntry(state.tasks, grant, accepted) },
    effects: [{ type: 'send', message: { type: 'task.accept', ...grant } }],
  }
}

function whyNot(state: SessionState, offer: TaskOffer): string | null {
  if (state.drain !== null) return `draining: ${state.drain.reason}`
  if (state.tasks.size >= state.identity.slots)
    return `full: ${state.identity.slots} of ${state.identity.slots} slots are taken`
  const engine = state.engines.find((one) => one.manifest.id === offer.engine_id)
  if (engine === undefined) return `no engine ${offer.engine_id} here`
  if (!engine.manifest.stages.includes(offer.stage))
    return `engine ${offer.engine_id} has no stage ${offer.stage}`
  if (offer.model_id !== null && !engine.models.some((model) => model.id === offer.model_id))
    return `engine ${offer.engine_id} has no model ${offer.model_id} here`
  return null
}

/** Starts what was accepted. A grant that nobody waits for goes back at once, so that nobody waits for its lease. */
function onGranted(state: SessionState, granted: TaskGranted, nowMs: number): Step {
  const grant = grantOf(granted)
  const task = state.tasks.get(grantKey(grant))
  if (task?.kind === 'running') {
    const renewed = { ...task, token: granted.token }
    return { state: { ...state, tasks: withEntry(state.tasks, grant, renewed) }, effects: [] }
  }
  if (task?.kind === 'ending' || state.outbox.has(grantKey(grant))) return { state, effects: [] }
  if (task === undefined) return handBack(state, grant, 'the agent no longer waits for this grant', nowMs)
  if (state.drain !== null) {
    const freed = abort(state, grant, 'handed_back', null)
    return handBack(freed.state, grant, `draining: ${state.drain.reason}`, nowMs)
  }
  const running = { kind: 'running', grant, token: granted.token, n: 0, throttle: FRESH_THROTTLE } as const
  return {
    state: { ...state, tasks: withEntry(state.tasks, grant, running) },
    effects: [
      { type: 'startTask', offer: task.offer, granted },
      { type: 'send', message: { type: 'task.started', ...grant } },
    ],
  }
}

function handBack(state: SessionState, grant: Grant, reason: string, nowMs: number): Step {
  return deliver(state, grant, { status: 'handed_back', reason }, nowMs)
}

/**
 * The server hears of the end when the child is gone: only then is the slot free. Retryable, because a cancel may come of
 * an expired lease: a job that is cancelled ignores the result, any other must not fail by it.
 */
function onCancel(state: SessionState, grant: Grant, reason: string): Step {
  const error = { code: 'cancelled', message: reason === '' ? 'cancelled' : reason, retryable: true }
  return abort(state, grant, 'cancelled', { status: 'failed', error })
}

function onLeaseExtended(state: SessionState, extended: z.infer<typeof LeaseExtended>): Step {
  const tasks = new Map(state.tasks)
  for (const lease of extended.leases) {
    const task = tasks.get(grantKey(lease))
    if (task?.kind === 'running') tasks.set(grantKey(lease), { ...task, token: lease.token })
  }
  const outbox = new Map(state.outbox)
  for (const grant of extended.lost) {
    const delivery = outbox.get(grantKey(grant))
    if (delivery !== undefined) outbox.set(grantKey(grant), { ...delivery, held: false })
  }
  return each({ ...state, tasks, outbox }, extended.lost, (next, grant) =>
    abort(next, grantOf(grant), 'lost', null),
  )
}
