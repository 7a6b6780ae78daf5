import {
  AgentMessage,
  AnyHello,
  CLOSE_CODES,
  MAX_FRAME_BYTES,
  PROTOCOL_VERSION,
} from '#protocol/agent-messages.ts'
import type { AgentId } from '#protocol/ids.ts'

/** RFC 6455 §7.4.1: the server met a condition that kept it from fulfilling the request. */
export const INTERNAL_ERROR = 1011

/** What is attached to a socket, and so survives hibernation. */
export interface SocketIdentity {
  readonly agentId: AgentId
  readonly name: string
  readonly sessionId: string
  readonly connectedAtMs: number
}

export function identityOf(socket: WebSocket): SocketIdentity {
  // Every socket of the registry got this attachment when it was accepted.
  return socket.deserializeAttachment() as SocketIdentity
}

/** A frame as a message, or the reason why it is none. */
export function parseFrame(
  frame: string | ArrayBuffer,
): { readonly ok: true; readonly value: AgentMessage } | Refusal {
  if (typeof frame !== 'string') return malformed('expected a text frame, got a binary one')
  const sizeBytes = new TextEncoder().encode(frame).length
  if (sizeBytes > MAX_FRAME_BYTES)
    return malformed(`expected at most ${MAX_FRAME_BYTES} bytes, got ${sizeBytes}`)
  const json = parseJson(frame)
  const message = AgentMessage.safeParse(json)
  if (message.success) return { ok: true, value: message.data }
  const foreign = AnyHello.safeParse(json)
  if (foreign.success && !speaks(foreign.data.protocol)) {
    const { min, max } = foreign.data.protocol
    const reason = `this server speaks protocol ${PROTOCOL_VERSION}, the agent ${min} to ${max}`
    return { ok: false, code: CLOSE_CODES.upgradeRequired, reason }
  }
  const issue = message.error.issues[0]
  return malformed(`malformed frame: ${issue?.path.join('.')}: ${issue?.message}`)
}

/** With which code the socket is closed, and why. */
interface Refusal {
  readonly ok: false
  readonly code: number
  readonly reason: string
}

function speaks({ min, max }: { readonly min: number; readonly max: number }): boolean {
  return min <= PROTOCOL_VERSION && PROTOCOL_VERSION <= max
}

function malformed(reason: string): Refusal {
  return { ok: false, code: CLOSE_CODES.malformed, reason }
}

export function closeQuietly(socket: WebSocket, code: number, reason: string): void {
  try {
    // A close frame has room for 123 bytes. What comes from the other side may hold any character.
    socket.close(code, reason.replace(/[^\x20-\x7e]/g, '?').slice(0, 120))
  } catch {
    // The other side closed first, or the code is one that only the platform may send.
  }
}

/** False when the socket closed under us: leases and resends make up for the frame. */
export function sendQuietly(socket: WebSocket, text: string): boolean {
  try {
    socket.send(text)
    return true
  } catch {
    return false
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
