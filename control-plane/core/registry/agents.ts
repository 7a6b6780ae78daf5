import { type AgentMessage, CLOSE_CODES, PROTOCOL_VERSION } from '#protocol/agent-messages.ts'
import type { AgentId } from '#protocol/ids.ts'
import type { RegistryInput } from './input.ts'
import { FORGET_AGENT_MS, FORGET_EVERY_MS, HELLO_MS } from './intervals.ts'
import { heard, lose, lost } from './leases.ts'
import { abandon, sendOpen } from './operations.ts'
import type { Pongs } from './presence.ts'
import { type AgentRecord, heldBy } from './state.ts'
import type { Turn } from './turn.ts'

/** Agents that come, change and go. */
type Hello = Extract<AgentMessage, { type: 'agent.hello' }>
type FromAgent = Extract<RegistryInput, { type: 'agent.message' }>

/** A socket was opened. An agent has one that waits to greet at most, beside the one that did. */
export function connected(turn: Turn, sessionId: string): void {
  turn.state.greetings.set(sessionId, turn.nowMs + HELLO_MS)
}

/** Sockets that have been silent for too long. */
export function closeSilent(turn: Turn): void {
  const { greetings } = turn.state
  for (let sessionId = greetings.oldestKey(); sessionId !== null; sessionId = greetings.oldestKey()) {
    if ((greetings.get(sessionId) ?? 0) > turn.nowMs) return
    greetings.delete(sessionId)
    const reason = `no hello within ${HELLO_MS / 1000} s`
    turn.effects.push({ type: 'close', sessionId, code: CLOSE_CODES.malformed, reason })
  }
}

/** A connect: the newest session of an agent counts; tasks that it still runs within their lease are resumed. */
export function hello(turn: Turn, from: FromAgent, message: Hello): void {
  turn.state.greetings.delete(from.sessionId)
  if (message.protocol.min > PROTOCOL_VERSION || message.protocol.max < PROTOCOL_VERSION) {
    const { min, max } = message.protocol
    const reason = `this server speaks protocol ${PROTOCOL_VERSION}, the agent ${min} to ${max}`
    turn.effects.push({ type: 'close', sessionId: from.sessionId, code: CLOSE_CODES.upgradeRequired, reason })
    return
  }
  const known = turn.state.agents.get(from.agentId)
  const session = known?.session ?? null
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
  if (known === undefined) forgetAway(turn)
  turn.saveAgent({
    id: from.agentId,
    name: from.name,
    session: { id: from.sessionId, connectedAtMs: from.connectedAtMs },
    hello: message,
    draining: null,
    cordoned: known?.cordoned ?? null,
    lastSeenMs: turn.nowMs,
    quietUntilMs: 0,
    missedAtMs: 0,
  })
  turn.send(from.agentId, {
    type: 'agent.welcome',
    protocol: PROTOCOL_VERSION,
    agent_id: from.agentId,
    session_id: from.sessionId,
    heartbeat_ms: turn.settings.heartbeatMs,
    lease_ms: turn.settings.leaseMs,
    lease_extend_ms: turn.settings.leaseExtendMs,
    result_ack_ms: turn.settings.resultAckMs,
    resume: resume(turn, from.agentId, message),
  })
  sendOpen(turn, from.agentId)
}

/** What an agent announces anew: loaded models, slots. */
export function status(
  turn: Turn,
  agent: AgentRecord,
  message: Extract<AgentMessage, { type: 'agent.status' }>,
): void {
  const { slots, engines, models_free_bytes } = message
  const hello = { ...agent.hello, slots, engines, models_free_bytes }
  turn.saveAgent({ ...agent, quietUntilMs: 0, hello })
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
  turn.state.greetings.delete(input.sessionId)
  const agent = turn.state.agents.get(input.agentId)
  if (agent?.session?.id !== input.sessionId) return
  turn.saveAgent({ ...agent, session: null, lastSeenMs: turn.nowMs })
  takeBackOffers(turn, agent.id)
}

/** No more tasks for it, or tasks again; what it runs goes on. */
export function cordon(turn: Turn, agentId: AgentId, reason: string | null): void {
  const agent = turn.state.agents.get(agentId)
  if (agent === undefined || agent.cordoned === reason) return
  turn.saveAgent({ ...agent, cordoned: reason })
  if (reason !== null) takeBackOffers(turn, agentId)
}

/** The agent is asked to finish what it runs and to leave. */
export function dismiss(turn: Turn, agentId: AgentId, reason: string): void {
  cordon(turn, agentId, reason)
  turn.send(agentId, { type: 'agent.drain', reason })
}

/** A credential that is no longer valid: the socket is cut, and what the agent held is lost, at nobody's expense. */
export function revoke(turn: Turn, agentId: AgentId): void {
  const agent = turn.state.agents.get(agentId)
  if (agent === undefined) return
  const reason = 'the credential was revoked'
  if (agent.session !== null) {
    turn.effects.push({ type: 'close', sessionId: agent.session.id, code: CLOSE_CODES.badToken, reason })
  }
  takeBackOffers(turn, agentId)
  for (const placement of heldBy(turn.state, agentId)) {
    if (placement.at === 'granted') lose(turn, placement, false, lost("the agent's credential was revoked"))
  }
  forget(turn, agentId)
}

/** The quiet of an agent ended: it is asked again, unless it is still silent. */
export function unhush(turn: Turn, agentId: AgentId, pongs: Pongs): void {
  const agent = turn.state.agents.get(agentId)
  if (agent === undefined || agent.quietUntilMs === 0) return
  const lastSeenMs = Math.max(agent.lastSeenMs, pongs.get(agentId) ?? 0)
  turn.touchAgent({ ...agent, lastSeenMs, quietUntilMs: quietUntilMs(turn, agent, lastSeenMs) })
}

/**
 * Agents that have been away for long are forgotten when a new one comes: only then there are more than before. It looks
 * at all of them, so a fleet that joins at once is looked at once.
 */
function forgetAway(turn: Turn): void {
  if (turn.nowMs - turn.state.forgotAtMs < FORGET_EVERY_MS) return
  turn.state.forgotAtMs = turn.nowMs
  for (const agent of turn.state.agents.values()) {
    const isAway = agent.session === null && turn.nowMs - agent.lastSeenMs > FORGET_AGENT_MS
    if (isAway && heldBy(turn.state, agent.id).length === 0) forget(turn, agent.id)
  }
}

function forget(turn: Turn, agentId: AgentId): void {
  abandon(turn, agentId)
  turn.forgetAgent(agentId)
}

/** An agent that let an offer pass is asked again once it was heard of since: a box asleep would delay every task. */
function quietUntilMs(turn: Turn, agent: AgentRecord, lastSeenMs: number): number {
  if (agent.quietUntilMs > turn.nowMs) return agent.quietUntilMs
  if (agent.missedAtMs === 0 || lastSeenMs > agent.missedAtMs) return 0
  const isOffline = turn.nowMs - lastSeenMs > turn.settings.offlineMs
  return turn.nowMs + (isOffline ? turn.settings.offlineMs : turn.settings.heartbeatMs)
}

function resume(turn: Turn, agentId: AgentId, message: Hello): Hello['running'] {
  const resumed: Hello['running'] = []
  takeBackOffers(turn, agentId)
  for (const placement of heldBy(turn.state, agentId)) {
    if (placement.at !== 'granted') continue
    const { taskId, fence } = placement.dispatch
    const isRunning = message.running.some((grant) => grant.task_id === taskId && grant.fence === fence)
    if (isRunning) {
      heard(turn, placement, turn.nowMs + turn.settings.leaseMs)
      resumed.push({ task_id: taskId, fence })
    } else {
      lose(turn, placement, placement.startByMs === null, lost('the agent came back without the task'))
    }
  }
  return resumed
}

function takeBackOffers(turn: Turn, agentId: AgentId): void {
  for (const placement of heldBy(turn.state, agentId)) {
    if (placement.at === 'offered') turn.requeue(placement)
  }
}
