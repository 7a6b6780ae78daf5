import { type AgentMessage, CLOSE_CODES, PROTOCOL_VERSION } from '#protocol/agent-messages.ts'
import type { AgentId } from '#protocol/ids.ts'
import type { RegistryInput } from './input.ts'
import {
  FORGET_AGENT_MS,
  HEARTBEAT_MS,
  LEASE_EXTEND_MS,
  LEASE_MS,
  OFFLINE_MS,
  RESULT_ACK_MS,
} from './intervals.ts'
import { heard, lose } from './leases.ts'
import { type AgentRecord, heldBy } from './state.ts'
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
  const session = turn.state.agents.get(from.agentId)?.session ?? null
  // A session greets once: what came after its hello would be judged by an old list of running tasks.
  if (session?.id === from.sessionId) return
  const reason = 'replaced by a newer connection'
  // The hello of a connection that the agent gave up long ago, held back on the way, does not end the new one.
  const isLate = session !== null && session.connectedAtMs > from.connectedAtMs
  const replaced = isLate ? from.sessionId : session?.id
  if (replaced !== undefined) {
    turn.effects.push({ type: 'close', sessionId: replaced, code: CLOSE_CODES.replaced, reason })
  }
  if (isLate) return
  turn.saveAgent({
    id: from.agentId,
    name: from.name,
    session: { id: from.sessionId, connectedAtMs: from.connectedAtMs },
    hello: message,
    draining: null,
    lastSeenMs: turn.nowMs,
    quietUntilMs: 0,
    missedAtMs: 0,
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
  agent: AgentRecord,
  message: Extract<AgentMessage, { type: 'agent.status' }>,
): void {
  const { slots, engines } = message
  turn.saveAgent({ ...agent, quietUntilMs: 0, hello: { ...agent.hello, slots, engines } })
}

export function draining(turn: Turn, agent: AgentRecord, reason: string): void {
  turn.saveAgent({ ...agent, draining: reason })
  takeBackOffers(turn, agent.id)
}

/** A socket that closed ends no lease: an agent that returns in time goes on. What it was only offered, others may have. */
export function disconnected(
  turn: Turn,
  input: Extract<RegistryInput, { type: 'agent.disconnected' }>,
): void {
  const agent = turn.state.agents.get(input.agentId)
  if (agent?.session?.id !== input.sessionId) return
  turn.saveAgent({ ...agent, session: null, lastSeenMs: turn.nowMs })
  takeBackOffers(turn, agent.id)
}

/** Once in a while: who was seen by their pings, who may be asked again, who is gone for good. */
export function look(turn: Turn, pongsMs: ReadonlyMap<AgentId, number>): void {
  for (const known of turn.state.agents.values()) {
    const lastSeenMs = Math.max(known.lastSeenMs, pongsMs.get(known.id) ?? 0)
    const agent = { ...known, lastSeenMs, quietUntilMs: quietUntilMs(turn, known, lastSeenMs) }
    const isForgotten = agent.session === null && turn.nowMs - lastSeenMs > FORGET_AGENT_MS
    if (isForgotten && heldBy(turn.state, agent.id).length === 0) turn.forgetAgent(agent.id)
    else turn.touchAgent(agent)
  }
}

/** An agent that let an offer pass is asked again once it was heard of since: a box asleep would delay every task. */
function quietUntilMs(turn: Turn, agent: AgentRecord, lastSeenMs: number): number {
  if (agent.quietUntilMs === 0 || agent.quietUntilMs > turn.nowMs) return agent.quietUntilMs
  if (agent.missedAtMs === 0 || lastSeenMs > agent.missedAtMs) return 0
  const isOffline = turn.nowMs - lastSeenMs > OFFLINE_MS
  return turn.nowMs + (isOffline ? OFFLINE_MS : HEARTBEAT_MS)
}

function resume(turn: Turn, agentId: AgentId, message: Hello): Hello['running'] {
  const resumed: Hello['running'] = []
  takeBackOffers(turn, agentId)
  for (const placement of heldBy(turn.state, agentId)) {
    if (placement.at !== 'granted') continue
    const { taskId, fence } = placement.dispatch
    const isRunning = message.running.some((grant) => grant.task_id === taskId && grant.fence === fence)
    if (isRunning) {
      heard(turn, placement, turn.nowMs + LEASE_MS)
      resumed.push({ task_id: taskId, fence })
    } else {
      lose(turn, placement, placement.startByMs === null, 'the agent came back without the task')
    }
  }
  return resumed
}

function takeBackOffers(turn: Turn, agentId: AgentId): void {
  for (const placement of heldBy(turn.state, agentId)) {
    if (placement.at === 'offered') turn.requeue(placement.dispatch)
  }
}
