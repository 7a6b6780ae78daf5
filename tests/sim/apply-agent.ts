import type { TaskOutcome } from '#protocol/task.ts'
import { completed, failed, HANDED_BACK } from '../core/kit/builders.ts'
import { aPrepareSummary } from '../core/kit/summaries.ts'
import type { AgentProcess, Run } from './agent-process.ts'
import type { EngineNews, SimEvent } from './event.ts'
import { lieOf, orderLieOf } from './lies.ts'
import { grantOf, operationIdOf, taskOf } from './names.ts'
import type { World } from './world.ts'

/** Events of one agent, its engines and its operator. */
export type AgentEvent = Exclude<Extract<SimEvent, { agent: number }>, { do: 'frame' | 'notice' }>

/** Lets it happen; false when it cannot, and then nothing has changed. */
export function toAgent(world: World, agent: AgentProcess | undefined, event: AgentEvent): boolean {
  if (agent === undefined) return false
  if (event.do === 'cordon' || event.do === 'dismiss' || event.do === 'revoke') {
    return operate(world, agent, event)
  }
  if (event.do === 'start') {
    if (agent.session !== null || agent.isRevoked) return false
    agent.start()
    return true
  }
  if (agent.session === null) return false
  if (event.do === 'kill') return kill(world, agent, event)
  if (event.do === 'go on') {
    const wasHung = agent.isHung
    agent.isHung = false
    return wasHung
  }
  return agent.isHung ? false : toRunning(world, agent, event)
}

type OperatorEvent = Extract<SimEvent, { do: 'cordon' | 'dismiss' | 'revoke' }>

function operate({ registry }: World, agent: AgentProcess, event: OperatorEvent): boolean {
  const { id: agentId } = agent
  const reason = 'maintenance'
  switch (event.do) {
    case 'cordon':
      registry.tell({ type: 'cordon', agentId, reason: event.on ? reason : null })
      return true
    case 'dismiss':
      registry.tell({ type: 'dismiss', agentId, reason })
      return true
    case 'revoke': {
      if (agent.isRevoked) return false
      agent.isRevoked = registry.revoke(agentId)
      return true
    }
  }
}

function toRunning(
  world: World,
  agent: AgentProcess,
  event: Exclude<AgentEvent, OperatorEvent | { do: 'start' | 'kill' | 'go on' }>,
): boolean {
  const { link } = agent
  switch (event.do) {
    case 'dial':
      if (link !== null || agent.isRevoked || world.registry.isOut) return false
      agent.dial()
      return true
    case 'wake':
      if (agent.wakeMs === null || agent.wakeMs > world.nowMs) return false
      agent.step({ type: 'wake' })
      return true
    case 'beat':
      if (link === null || link.dueMs > world.nowMs) return false
      agent.beat()
      return true
    case 'cut':
      if (link === null) return false
      link.socket.cut(event.how)
      if (!link.socket.isAgentOpen) agent.loseLink()
      return true
    case 'hang':
      agent.isHung = true
      return true
    case 'drain':
      agent.step({ type: 'drain.requested', reason: 'update', limitMs: event.limitMs })
      return true
    case 'load model':
      agent.changeModel(event.loaded)
      return true
    case 'engine': {
      const run = agent.runs.get(grantOf(taskOf(event.task), event.fence))
      if (run === undefined) return false
      engineSays(agent, run, event.what, event.percent ?? 0)
      return true
    }
    case 'order':
      return agent.orders.take(operationIdOf(event.operation), event.what, event.percent ?? 0)
    case 'lie':
      if (link === null) return false
      agent.say(lieOf(agent, event))
      return true
    case 'lie of order':
      if (link === null) return false
      agent.say(orderLieOf(event))
      return true
  }
}

function kill(world: World, agent: AgentProcess, event: Extract<SimEvent, { do: 'kill' }>): boolean {
  const socket = agent.link?.socket
  if (socket !== undefined) {
    if (event.silent) socket.cut('silent')
    socket.isAgentOpen = false
  }
  agent.end()
  if (event.files === 'lost') {
    agent.files.clear()
    agent.orders.lose()
  }
  world.count('agent crashes')
  return true
}

function engineSays(agent: AgentProcess, run: Run, what: EngineNews, percent: number): void {
  const { grant } = run
  if (what === 'report') {
    const partial = { revision: 1 + percent, start: 0, end: 1, text: 'words' }
    const report = { progress: { percent, message: null }, partial }
    agent.step({ type: 'task.reported', grant, report })
    return
  }
  agent.runs.delete(grantOf(grant.task_id, grant.fence))
  agent.step({ type: 'task.ended', grant, outcome: outcomeOf(run, what) })
}

function outcomeOf({ grant }: Run, what: Exclude<EngineNews, 'report'>): TaskOutcome {
  const good = completed(grant.task_id, grant.fence)
  switch (what) {
    case 'done':
      return good
    case 'two channels':
      return good.status === 'completed' && good.summary.stage === 'prepare'
        ? { ...good, summary: aPrepareSummary(2) }
        : good
    case 'retryable':
      return failed(true)
    case 'terminal':
      return failed(false)
    case 'handed back':
      return HANDED_BACK
    case 'wrong summary': {
      const merge = completed(taskOf('job1.merge'), 1)
      const summary = merge.status === 'completed' ? { summary: merge.summary } : {}
      return { ...good, ...summary }
    }
    case 'foreign artifact': {
      const foreign = completed(grant.task_id, grant.fence + 1)
      const artifacts = foreign.status === 'completed' ? { artifacts: foreign.artifacts } : {}
      return { ...good, ...artifacts }
    }
  }
}
