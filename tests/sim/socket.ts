import type { AgentMessage, ServerMessage } from '#protocol/agent-messages.ts'
import type { Cut } from './event.ts'

/**
 * One WebSocket between an agent and the registry's platform. Frames of a direction stay in order. A direction may be dead
 * without a word: what is sent then vanishes, and so does the news that the other end closed.
 */
export class Socket {
  readonly agent: number
  readonly sessionId: string
  readonly connectedAtMs: number
  readonly up: { readonly message: AgentMessage; readonly sentAtMs: number }[] = []
  readonly down: { readonly message: ServerMessage; readonly sentAtMs: number }[] = []
  isUpDead = false
  isDownDead = false
  isAgentOpen = true
  isServerOpen = true
  /** The code with which the registry closed it. */
  closeCode = 1006
  /** When the platform last answered a ping of the agent. */
  pongMs: number | null = null

  constructor(agent: number, sessionId: string, connectedAtMs: number) {
    this.agent = agent
    this.sessionId = sessionId
    this.connectedAtMs = connectedAtMs
  }

  sendUp(message: AgentMessage, nowMs: number): void {
    if (this.isAgentOpen && !this.isUpDead) this.up.push({ message, sentAtMs: nowMs })
  }

  sendDown(message: ServerMessage, nowMs: number): void {
    if (this.isServerOpen && !this.isDownDead) this.down.push({ message, sentAtMs: nowMs })
  }

  close(code: number): void {
    if (!this.isServerOpen) return
    this.isServerOpen = false
    this.closeCode = code
  }

  cut(how: Cut): void {
    if (how === 'up' || how === 'silent') {
      this.isUpDead = true
      this.up.length = 0
    }
    if (how === 'down' || how === 'silent') {
      this.isDownDead = true
      this.down.length = 0
    }
    if (how === 'both') {
      this.up.length = 0
      this.down.length = 0
    }
    if (how === 'both' || how === 'agent') this.isAgentOpen = false
  }

  /** Whether a frame, or the end, would reach the registry's platform. */
  get hasNewsUp(): boolean {
    return this.isServerOpen && !this.isUpDead && (this.up.length > 0 || !this.isAgentOpen)
  }

  get hasNewsDown(): boolean {
    return this.isAgentOpen && !this.isDownDead && (this.down.length > 0 || !this.isServerOpen)
  }

  /** The agent has gone, and nothing will tell the platform. */
  get isOrphan(): boolean {
    return this.isServerOpen && !this.isAgentOpen && this.isUpDead
  }

  get isWhole(): boolean {
    return this.isAgentOpen && this.isServerOpen && !this.isUpDead && !this.isDownDead
  }

  get isOver(): boolean {
    return !this.isAgentOpen && !this.isServerOpen
  }
}
