import type { Machine } from '../machine.ts'
import { earliest, nextDueMs } from '../outbox.ts'
import * as agents from './agents.ts'
import type { RegistryEffect } from './effects.ts'
import type { RegistryInput, RegistryReply } from './input.ts'
import { OVER_MS } from './intervals.ts'
import * as leases from './leases.ts'
import { offerWaiting } from './placement.ts'
import type { RegistryState } from './state.ts'
import * as tasks from './tasks.ts'
import { Turn } from './turn.ts'

const OK: RegistryReply = { known: true, why: null }

/** The registry machine: one pool's agents, queues and leases. Pure; the state is changed in place. */
export const registryMachine: Machine<RegistryState, RegistryInput, RegistryEffect, RegistryReply> = {
  step(state, input, nowMs) {
    const turn = new Turn(state, nowMs)
    const reply = decide(turn, input)
    return { state, changes: turn.changes, effects: turn.effects, reply }
  },

  nextWakeMs(state) {
    const times = [nextDueMs(state.outbox)]
    for (const taskIds of state.held.values()) {
      for (const taskId of taskIds) {
        const placement = state.placements.get(taskId)
        if (placement?.at === 'offered') times.push(placement.expiresAtMs)
        if (placement?.at === 'granted') times.push(placement.leaseUntilMs, placement.startByMs)
      }
    }
    if (state.queues.size > 0) {
      for (const { session, quietUntilMs } of state.agents.values()) {
        if (session !== null && quietUntilMs > 0) times.push(quietUntilMs)
      }
    }
    return earliest(times)
  },
}

function decide(turn: Turn, input: RegistryInput): RegistryReply {
  switch (input.type) {
    case 'enqueue':
      return tasks.enqueue(turn, input)
    case 'inquire':
      return tasks.inquire(turn, input)
    case 'agent.message':
      fromAgent(turn, input)
      break
    case 'agent.disconnected':
      agents.disconnected(turn, input)
      break
    case 'cancel':
      tasks.cancel(turn, input)
      break
    case 'effect.answered':
      tasks.startAnswered(turn, input)
      break
    case 'result.answered':
      tasks.resultAnswered(turn, input)
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
  const known = turn.state.agents.get(agentId)
  // A frame of a session that was replaced, or that never said hello, changes nothing.
  if (known?.session?.id !== input.sessionId) return
  const agent = { ...known, lastSeenMs: turn.nowMs }
  turn.touchAgent(agent)
  switch (message.type) {
    case 'agent.status':
      agents.status(turn, agent, message)
      break
    case 'agent.draining':
      agents.draining(turn, agent, message.reason)
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
    case 'task.result':
      tasks.forwardResult(turn, agentId, message)
  }
}

function wake(turn: Turn, { pongsMs }: Extract<RegistryInput, { type: 'wake' }>): void {
  agents.look(turn, pongsMs)
  leases.expire(turn)
  turn.repeatDue()
  for (const { taskId, endedAtMs } of turn.state.over.values()) {
    if (turn.nowMs - endedAtMs < OVER_MS) break
    turn.forgetOver(taskId)
  }
}
