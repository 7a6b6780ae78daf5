import { jobIdOf } from '#protocol/ids.ts'
import type { Machine } from '../machine.ts'
import { earliest } from '../outbox.ts'
import * as agents from './agents.ts'
import type { RegistryEffect } from './effects.ts'
import type { RegistryInput, RegistryReply } from './input.ts'
import * as leases from './leases.ts'
import { offerWaiting, whyWaiting } from './placement.ts'
import type { RegistryState } from './state.ts'
import { Turn } from './turn.ts'

const LAST_RETRY_MS = 30_000
const OK: RegistryReply = { known: true, why: null }

/** The registry machine: one pool's agents, queues and leases. Pure; the state is changed in place. */
export const registryMachine: Machine<RegistryState, RegistryInput, RegistryEffect, RegistryReply> = {
  step(state, input, nowMs) {
    const turn = new Turn(state, nowMs)
    const reply = decide(turn, input)
    return { state, changes: turn.changes, effects: turn.effects, reply }
  },

  nextWakeMs(state) {
    const times: (number | null)[] = [...state.outbox.values()].map((outstanding) => outstanding.dueMs)
    for (const taskIds of state.held.values()) {
      for (const taskId of taskIds) {
        const placement = state.placements.get(taskId)
        if (placement?.at === 'offered') times.push(placement.expiresAtMs)
        if (placement?.at === 'granted') times.push(placement.leaseUntilMs, placement.startByMs)
      }
    }
    if (state.queues.size > 0) {
      for (const agent of state.agents.values()) if (agent.quietUntilMs > 0) times.push(agent.quietUntilMs)
    }
    return earliest(times)
  },
}

function decide(turn: Turn, input: RegistryInput): RegistryReply {
  switch (input.type) {
    case 'agent.message':
      fromAgent(turn, input)
      break
    case 'agent.disconnected':
      agents.disconnected(turn, input)
      break
    case 'enqueue':
      return enqueue(turn, input)
    case 'cancel':
      cancel(turn, input)
      break
    case 'inquire':
      return inquire(turn, input)
    case 'effect.answered':
      effectAnswered(turn, input)
      break
    case 'result.answered':
      resultAnswered(turn, input)
      break
    case 'wake':
      wake(turn, input)
      break
  }
  offerWaiting(turn)
  return OK
}

function fromAgent(turn: Turn, input: Extract<RegistryInput, { type: 'agent.message' }>): void {
  const { agentId, message } = input
  if (message.type === 'agent.hello') {
    agents.hello(turn, input, message)
    return
  }
  const agent = turn.state.agents.get(agentId)
  // A frame of a session that was replaced, or that never said hello, changes nothing.
  if (agent?.session?.id !== input.sessionId) return
  turn.touchAgent({ ...agent, lastSeenMs: turn.nowMs })
  switch (message.type) {
    case 'agent.status':
      agents.status(turn, input, message)
      break
    case 'agent.draining':
      agents.draining(turn, agentId, message.reason)
      break
    case 'task.accept':
      leases.accept(turn, agentId, { task_id: message.task_id, fence: message.fence })
      break
    case 'task.decline':
      leases.decline(turn, agentId, message)
      break
    case 'task.started':
      leases.started(turn, agentId, message)
      break
    case 'task.progress':
      leases.progress(turn, agentId, message)
      break
    case 'lease.extend':
      leases.extend(turn, agentId, message.leases)
      break
    case 'task.result': {
      const { task_id: taskId, fence, outcome } = message
      const granted = leases.grantedTo(turn, agentId, message) !== null
      const jobId = jobIdOf(taskId)
      turn.effects.push({ type: 'job.result', jobId, agentId, taskId, fence, outcome, granted })
    }
  }
}

function enqueue(turn: Turn, input: Extract<RegistryInput, { type: 'enqueue' }>): RegistryReply {
  const { taskId, fence } = input.dispatch
  const known = turn.state.placements.get(taskId)
  if (known === undefined || known.dispatch.fence < fence) {
    if (known !== undefined && known.at !== 'queued') {
      const reason = 'superseded by a newer fence'
      turn.send(known.agentId, { type: 'task.cancel', task_id: taskId, fence: known.dispatch.fence, reason })
    }
    turn.queue({ dispatch: input.dispatch, at: 'queued' }, true)
    offerWaiting(turn)
  }
  return inquire(turn, { taskId, fence })
}

function inquire(
  turn: Turn,
  task: Pick<Extract<RegistryInput, { type: 'inquire' }>, 'taskId' | 'fence'>,
): RegistryReply {
  const placement = turn.state.placements.get(task.taskId)
  if (placement === undefined || placement.dispatch.fence !== task.fence) return { known: false, why: null }
  return { known: true, why: placement.at === 'queued' ? whyWaiting(turn.state, placement.dispatch) : null }
}

function cancel(turn: Turn, input: Extract<RegistryInput, { type: 'cancel' }>): void {
  const { taskId, fence, reason } = input
  const placement = turn.state.placements.get(taskId)
  if (placement?.dispatch.fence !== fence) return
  if (placement.at !== 'queued')
    turn.send(placement.agentId, { type: 'task.cancel', task_id: taskId, fence, reason })
  turn.answered(`started:${taskId}:${fence}`)
  turn.drop(taskId)
}

/** A Job that calls a start stale has moved on: the agent stops. */
function effectAnswered(turn: Turn, input: Extract<RegistryInput, { type: 'effect.answered' }>): void {
  const effect = turn.state.outbox.get(input.id)?.effect
  turn.answered(input.id)
  if (effect?.type !== 'job.started' || input.answer === 'ok') return
  cancel(turn, {
    type: 'cancel',
    taskId: effect.taskId,
    fence: effect.fence,
    reason: `the job says ${input.answer}`,
  })
}

function resultAnswered(turn: Turn, input: Extract<RegistryInput, { type: 'result.answered' }>): void {
  const { agentId, taskId, fence } = input
  const placement = leases.grantedTo(turn, agentId, { task_id: taskId, fence })
  if (placement !== null) {
    turn.answered(`started:${taskId}:${fence}`)
    if (input.completed) turn.remember(placement, agentId)
    turn.drop(taskId)
    const agent = turn.state.agents.get(agentId)
    if (agent !== undefined) turn.touchAgent({ ...agent, quietUntilMs: 0 })
  }
  const isAccepted = input.answer === 'accepted' || input.answer === 'duplicate' || input.answer === 'gone'
  const answer = isAccepted ? input.answer : 'stale'
  turn.count(`task_results_total{answer="${answer}"}`)
  // The answers are the ack's own words.
  turn.send(agentId, { type: 'task.ack', task_id: taskId, fence, answer: answer as 'accepted' })
}

function wake(turn: Turn, input: Extract<RegistryInput, { type: 'wake' }>): void {
  for (const [agentId, pongMs] of input.pongsMs) {
    const agent = turn.state.agents.get(agentId)
    if (agent !== undefined && pongMs > agent.lastSeenMs) turn.touchAgent({ ...agent, lastSeenMs: pongMs })
  }
  for (const agent of turn.state.agents.values()) {
    if (agent.quietUntilMs > 0 && agent.quietUntilMs <= turn.nowMs)
      turn.touchAgent({ ...agent, quietUntilMs: 0 })
  }
  leases.expire(turn)
  for (const outstanding of turn.state.outbox.values()) {
    if (outstanding.dueMs > turn.nowMs) continue
    const waitMs = Math.min(1_000 * 2 ** outstanding.tries, LAST_RETRY_MS)
    const later = { ...outstanding, tries: outstanding.tries + 1, dueMs: turn.nowMs + waitMs }
    turn.state.outbox.set(outstanding.id, later)
    turn.effects.push({ type: 'tracked', id: outstanding.id, effect: outstanding.effect })
  }
}
