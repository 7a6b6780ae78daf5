import { type AgentMessage, CLOSE_CODES, PROTOCOL_VERSION } from '#protocol/agent-messages.ts'
import type { AgentId } from '#protocol/ids.ts'
import type { RegistryInput } from './input.ts'
import { HEARTBEAT_MS, LEASE_EXTEND_MS, LEASE_MS, RESULT_ACK_MS } from './intervals.ts'
import { lose } from './leases.ts'
import type { Placement } from './state.ts'
import type { Turn } from './turn.ts'

/** Agents that come, change and go. */
type Hello = Extract<AgentMessage, { type: 'agent.hello' }>
type FromAgent = Extract<RegistryInput, { type: 'agent.message' }>

/** A connect: the newest session of an agent counts; tasks that it still runs within their lease are resumed. */
export function hello(turn: Turn, from: FromAgent, message: Hello): void {
  if (message.protocol.min > PROTOCOL_VERSION || message.protocol.max < PROTOCOL_VERSION) {
    const { min, max } = message.protocol
    const reason = `this server speaks protocol ${PROTOCOL_VERSION}, the agent ${min} to ${max}`
    turn.effects.push({ type: 'close', sessionId: from.sessionId, code: CLOSE_CODES.upgradeRequired, reason })
    return
  }
  const known = turn.state.agents.get(from.agentId)
  if (known?.session != null && known.session.id !== from.sessionId) {
    const reason = 'replaced by a newer connection'
    turn.effects.push({ type: 'close', sessionId: known.session.id, code: CLOSE_CODES.replaced, reason })
  }
  turn.saveAgent({
    id: from.agentId,
    name: from.name,
    session: { id: from.sessionId, connectedAtMs: turn.nowMs },
    hello: message,
    draining: null,
    lastSeenMs: turn.nowMs,
    quietUntilMs: 0,
  })
  turn.send(from.agentId, {
    type: 'agent.welcome',
    protocol: PROTOCOL_VERSION,
    agent_id: from.agentId,
    session_id: from.sessionId,
    heartbeat_ms: HEARTBEAT_MS,
    lease_ms: LEASE_MS,
    lease_extend_ms: LEASE_EXTEND_MS,
    result_ack_ms: RESULT_ACK_MS,
    resume: resume(turn, from.agentId, message),
  })
}

/** What an agent announces anew: loaded models, slots. */
export function status(
  turn: Turn,
  from: FromAgent,
  message: Extract<AgentMessage, { type: 'agent.status' }>,
): void {
  const agent = turn.state.agents.get(from.agentId)
  if (agent?.session == null) return
  const { slots, engines } = message
  turn.saveAgent({ ...agent, quietUntilMs: 0, hello: { ...agent.hello, slots, engines } })
}

export function draining(turn: Turn, agentId: AgentId, reason: string): void {
  const agent = turn.state.agents.get(agentId)
  if (agent === undefined) return
  turn.saveAgent({ ...agent, draining: reason })
  for (const placement of held(turn, agentId)) if (placement.at === 'offered') turn.queue(placement, false)
}

/** A socket that closed ends no lease: an agent that returns in time goes on. What it was only offered, others may have. */
export function disconnected(
  turn: Turn,
  input: Extract<RegistryInput, { type: 'agent.disconnected' }>,
): void {
  const agent = turn.state.agents.get(input.agentId)
  if (agent?.session?.id !== input.sessionId) return
  turn.saveAgent({ ...agent, session: null, lastSeenMs: turn.nowMs })
  for (const placement of held(turn, agent.id)) if (placement.at === 'offered') turn.queue(placement, false)
}

function resume(turn: Turn, agentId: AgentId, message: Hello): Hello['running'] {
  const resumed: Hello['running'] = []
  for (const placement of held(turn, agentId)) {
    const { taskId, fence } = placement.dispatch
    const isRunning = message.running.some((grant) => grant.task_id === taskId && grant.fence === fence)
    if (placement.at === 'offered') turn.queue(placement, false)
    else if (placement.at === 'granted' && isRunning) {
      turn.touch({ ...placement, leaseUntilMs: turn.nowMs + LEASE_MS })
      resumed.push({ task_id: taskId, fence })
    } else if (placement.at === 'granted') {
      lose(turn, placement, placement.startByMs === null, 'the agent came back without the task')
    }
  }
  return resumed
}

function held(turn: Turn, agentId: AgentId): Placement[] {
  return [...(turn.state.held.get(agentId) ?? [])].flatMap(
    (taskId) => turn.state.placements.get(taskId) ?? [],
  )
}
