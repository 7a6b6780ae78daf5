import type { AgentId, TaskId } from '#protocol/ids.ts'
import type { Machine } from '../machine.ts'
import { earliest } from '../outbox.ts'
import * as agents from './agents.ts'
import { checkCoverage, watchRevocation } from './coverage.ts'
import type { RegistryEffect } from './effects.ts'
import type { RegistryInput, RegistryReply } from './input.ts'
import { OVER_MS } from './intervals.ts'
import * as leases from './leases.ts'
import { countJob, saveCounters } from './metrics.ts'
import * as operations from './operations.ts'
import { offerWaiting } from './placement.ts'
import type { Pongs } from './presence.ts'
import type { RegistryState } from './state.ts'
import * as tasks from './tasks.ts'
import { lostId, type RegistryContext, Turn } from './turn.ts'
import { reconsiderAll, reconsiderSoon, wait } from './waiting.ts'

const OK: RegistryReply = { known: true, why: null, queueMs: 0 }

type FromAgent = Extract<RegistryInput, { type: 'agent.message' }>
type RegistryMachine = Machine<RegistryState, RegistryInput, RegistryEffect, RegistryReply>

/** The registry machine: one pool's agents, queues and leases. Pure; the state is changed in place. */
export function registryMachine(context: RegistryContext): RegistryMachine {
  return {
    step(state, input, nowMs) {
      const turn = new Turn(state, nowMs, context)
      const reply = decide(turn, input)
      return { state, changes: turn.changes, effects: turn.effects, reply }
    },

    nextWakeMs(state) {
      const { outbox, deadlines, greetings, coverageCheckMs, reconsiderMs, ordersDueMs } = state
      const silent = greetings.oldestKey()
      const greetingMs = silent === null ? null : (greetings.get(silent) ?? null)
      return earliest([
        outbox.nextDueMs(),
        deadlines.nextMs(),
        greetingMs,
        coverageCheckMs,
        reconsiderMs,
        ordersDueMs,
      ])
    },
  }
}

/** Each input, and whether it may have freed an agent or brought a task: only then it is looked who gets what. */
function decide(turn: Turn, input: RegistryInput): RegistryReply {
  switch (input.type) {
    case 'inquire':
      return tasks.inquire(turn, input)
    case 'enqueue':
      return tasks.enqueue(turn, input)
    case 'agent.message':
      if (!fromAgent(turn, input)) return OK
      break
    case 'agent.connected':
      agents.connected(turn, input.sessionId)
      return OK
    case 'agent.disconnected':
      agents.disconnected(turn, input)
      break
    case 'wait':
      wait(turn, input.job, input.pongs, input.operationId)
      return OK
    case 'job.ended':
      countJob(turn, input.status, input.durationMs)
      return OK
    case 'operation.begin':
      operations.begin(turn, input.operation, input.agentIds, input.full)
      return OK
    case 'operation.cancel':
      operations.cancel(turn, input.operationId)
      return OK
    case 'unwait':
      turn.unwait(input.jobId)
      turn.answered(`selected:${input.jobId}`)
      turn.answered(`unavailable:${input.jobId}`)
      return OK
    case 'cordon':
      agents.cordon(turn, input.agentId, input.reason)
      break
    case 'dismiss':
      agents.dismiss(turn, input.agentId, input.reason)
      break
    case 'revoke':
      agents.revoke(turn, input.agentId)
      watchRevocation(turn)
      break
    case 'cancel':
      tasks.cancel(turn, input)
      break
    case 'effect.answered':
      tasks.effectAnswered(turn, input)
      break
    case 'result.answered':
      tasks.resultAnswered(turn, input)
      break
    case 'wake':
      wake(turn, input.pongs)
      break
  }
  offerWaiting(turn)
  return OK
}

/** Whether the message may change who gets what. */
function fromAgent(turn: Turn, input: FromAgent): boolean {
  const { agentId, message } = input
  if (message.type === 'agent.hello') {
    agents.hello(turn, input, message)
    reconsiderSoon(turn)
    return true
  }
  const known = turn.state.agents.get(agentId)
  // A frame of a session that was replaced, or that never said hello, changes nothing.
  if (known?.session?.id !== input.sessionId) return false
  const agent = { ...known, lastSeenMs: turn.nowMs }
  turn.state.agents.set(agentId, agent)
  switch (message.type) {
    case 'agent.status':
      agents.status(turn, agent, message)
      reconsiderSoon(turn)
      return true
    case 'agent.draining':
      agents.draining(turn, agent, message.reason)
      return true
    case 'task.accept':
      leases.accept(turn, agentId, { task_id: message.task_id, fence: message.fence })
      return false
    case 'task.decline':
      leases.decline(turn, agentId, message)
      return true
    case 'task.started':
      leases.started(turn, agentId, message)
      return false
    case 'task.progress':
      leases.progress(turn, agentId, message)
      return false
    case 'lease.extend':
      leases.extend(turn, agentId, message.leases)
      return false
    case 'task.result':
      tasks.forwardResult(turn, agentId, message)
      return false
    case 'model.progress':
      operations.progressed(turn, agentId, message)
      return false
  }
}

function wake(turn: Turn, pongs: Pongs): void {
  const { state, nowMs } = turn
  for (let due = state.deadlines.take(nowMs); due !== null; due = state.deadlines.take(nowMs)) {
    if (isAgent(due)) agents.unhush(turn, due, pongs)
    else leases.expire(turn, due)
  }
  agents.closeSilent(turn)
  turn.repeatDue()
  operations.repeatUnheard(turn)
  saveCounters(turn)
  if (state.coverageCheckMs !== null && state.coverageCheckMs <= nowMs) checkCoverage(turn, pongs)
  if (state.reconsiderMs !== null && state.reconsiderMs <= nowMs) reconsiderAll(turn, pongs)
  forgetOver(turn)
}

function forgetOver(turn: Turn): void {
  const { over } = turn.state
  for (let taskId = over.oldestKey(); taskId !== null; taskId = over.oldestKey()) {
    const fence = over.get(taskId)?.fence ?? 0
    if (turn.nowMs - (over.get(taskId)?.endedAtMs ?? 0) < OVER_MS) return
    // A Job that has not heard of the loss may still enqueue this very fence.
    if (turn.state.outbox.has(lostId(taskId, fence))) return
    turn.forgetOver(taskId)
  }
}

function isAgent(key: TaskId | AgentId): key is AgentId {
  return key.startsWith('agent_')
}
