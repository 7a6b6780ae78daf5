import type { Pongs } from '#core/registry/presence.ts'
import { CLOSE_CODES, type ServerMessage } from '#protocol/agent-messages.ts'
import type { AgentId } from '#protocol/ids.ts'
import { closeQuietly, identityOf, type SocketIdentity, sendQuietly } from './agent-socket.ts'
import { connectedAt } from './connected-at.ts'

/** The sockets of a pool's agents, as the platform keeps them through hibernation: by agent and by session. */
export class AgentSockets {
  readonly #ctx: DurableObjectState
  /** When an agent's last `ping` was answered. Agents that only ping do not wake the registry. */
  readonly pongs: Pongs = { get: (agentId) => this.#pongMs(agentId) }

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  }

  /** The sessions whose sockets are open. */
  sessions(): ReadonlySet<string> {
    return new Set(this.#ctx.getWebSockets().map((socket) => identityOf(socket).sessionId))
  }

  /** Takes a new socket; `greetedSession` is the agent's session that stays. */
  accept(
    agentId: AgentId,
    name: string,
    greetedSession: string | null,
  ): { session: string; client: WebSocket } {
    const [client, server] = Object.values(new WebSocketPair())
    if (client === undefined || server === undefined) throw new Error('the runtime gave no socket pair')
    this.#closeUngreeted(agentId, greetedSession)
    const sessionId = crypto.randomUUID()
    const connectedAtMs = connectedAt(Date.now(), this.#of(agentId).map(identityOf))
    const identity: SocketIdentity = { agentId, name, sessionId, connectedAtMs }
    this.#ctx.acceptWebSocket(server, [`agent:${agentId}`, `session:${sessionId}`])
    server.serializeAttachment(identity)
    return { session: sessionId, client }
  }

  send(sessionId: string | undefined, message: ServerMessage): void {
    const text = JSON.stringify(message)
    for (const socket of this.#ctx.getWebSockets(`session:${sessionId}`)) sendQuietly(socket, text)
  }

  close(sessionId: string, code: number, reason: string): void {
    for (const socket of this.#ctx.getWebSockets(`session:${sessionId}`)) closeQuietly(socket, code, reason)
  }

  /** All of an agent's, also those that have not said hello: no session is known of them, and they would be let in. */
  closeAgent(agentId: AgentId, code: number, reason: string): void {
    for (const socket of this.#of(agentId)) closeQuietly(socket, code, reason)
  }

  /** Pongs, where they come often enough to tell a lease by: a socket stays open when a machine loses its power. */
  pongsWithin(leaseMs: number, heartbeatMs: number): Pongs | null {
    return 2 * heartbeatMs < leaseMs ? this.pongs : null
  }

  /** One socket that waits to greet is enough for an agent: older ones go. */
  #closeUngreeted(agentId: AgentId, greetedSession: string | null): void {
    for (const socket of this.#of(agentId)) {
      if (identityOf(socket).sessionId === greetedSession) continue
      closeQuietly(socket, CLOSE_CODES.replaced, 'replaced by a newer connection')
    }
  }

  #of(agentId: AgentId): WebSocket[] {
    return this.#ctx.getWebSockets(`agent:${agentId}`)
  }

  #pongMs(agentId: AgentId): number | undefined {
    let newestMs: number | undefined
    for (const socket of this.#of(agentId)) {
      const atMs = this.#ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime()
      if (atMs !== undefined && atMs > (newestMs ?? 0)) newestMs = atMs
    }
    return newestMs
  }
}
