import { afterClose } from '#agent/close.ts'
import type { ServerMessage } from '#protocol/agent-messages.ts'
import type { Socket } from './socket.ts'

/** As agent/connection.ts: so long may the welcome take, and so many pings in a row may go unanswered. */
const HANDSHAKE_MS = 10_000
const MISSED_PONGS = 2

/** What the agent's side of a socket does next. */
export type LinkEnd = 'reconnects' | 'stops'

/** The agent's connection, as agent/connection.ts keeps it: one socket, its handshake, its heartbeat. */
export class AgentLink {
  readonly socket: Socket
  isWelcomed = false
  /** When the handshake is over, or the next ping goes. */
  dueMs: number
  readonly #rate: number
  #unanswered = 0
  #heartbeatMs = 0

  constructor(socket: Socket, rate: number, nowMs: number) {
    this.socket = socket
    this.#rate = rate
    this.dueMs = nowMs + HANDSHAKE_MS / rate
  }

  /** False when the frame is none of ours: the socket is given up. */
  receive(message: ServerMessage, nowMs: number): boolean {
    const isWelcome = message.type === 'agent.welcome'
    if (isWelcome === this.isWelcomed) return false
    if (!isWelcome) return true
    this.isWelcomed = true
    this.#heartbeatMs = message.heartbeat_ms / this.#rate
    this.dueMs = nowMs + this.#heartbeatMs
    return true
  }

  /** A ping, answered by the platform without waking anyone; false when the socket is given up. */
  beat(nowMs: number): boolean {
    if (!this.isWelcomed || this.#unanswered >= MISSED_PONGS) return false
    const { socket } = this
    const arrives = !socket.isUpDead && socket.isServerOpen
    if (arrives) socket.pongMs = nowMs
    this.#unanswered = arrives && !socket.isDownDead ? 0 : this.#unanswered + 1
    this.dueMs = nowMs + this.#heartbeatMs
    return true
  }

  /** After the registry's platform closed it. */
  get end(): LinkEnd {
    return afterClose(this.socket.closeCode).kind === 'stop' ? 'stops' : 'reconnects'
  }
}
