import WebSocket, { type RawData } from 'ws'
import {
  type AgentMessage,
  CLOSE_CODES,
  MAX_FRAME_BYTES,
  PROTOCOL_VERSION,
  ServerMessage,
} from '#protocol/agent-messages.ts'
import { backoffMs, RECONNECT_LIMITS, triesAfterLoss } from './backoff.ts'
import { type AfterClose, afterClose, afterRejection, type StopCause } from './close.ts'
import { type AgentConfig, intervalsFault } from './config.ts'
import { type Log, sentenceOf } from './log.ts'

/**
 * The one outbound socket: dials, keeps it alive, dials again. It knows frames, heartbeats and close codes, and nothing
 * of tasks. A frame that is not ours ends the socket and touches nothing else.
 */
export interface ConnectionOptions {
  readonly server: string
  readonly credential: string
  readonly timing: AgentConfig['timing']
  readonly log: Log
  readonly random: () => number
  readonly onOpened: () => void
  readonly onMessage: (message: ServerMessage) => void
  readonly onClosed: () => void
  /** No further tries. */
  readonly onStopped: (cause: StopCause, sentence: string) => void
}

/** Reconnect when so many pings in a row went unanswered. */
const MISSED_PONGS = 2

export class Connection {
  readonly #options: ConnectionOptions
  #credential: string
  #socket: WebSocket | null = null
  #tries = 0
  #welcomedAtMs: number | null = null
  #unanswered = 0
  #heartbeat: NodeJS.Timeout | undefined
  #deadline: NodeJS.Timeout | undefined
  #redial: NodeJS.Timeout | undefined
  #ended = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#credential = options.credential
    this.#dial()
  }

  /** Sends on the open socket; a failed write is a disconnect. Without a socket nothing happens. */
  send(message: AgentMessage): void {
    this.#write(JSON.stringify(message))
  }

  /** Dials with another credential from now on, and at once. What runs goes on, as over any lost link. */
  renew(credential: string): void {
    this.#credential = credential
    const socket = this.#socket
    // Without a socket the next dial is on its way, or there will be none.
    if (socket === null) return
    this.#lose({ kind: 'reconnect', wait: 'none', retryAfterMs: null })
    socket.close(1000)
  }

  /** Ends for good. */
  close(): void {
    this.#ended = true
    clearTimeout(this.#redial)
    const socket = this.#release()
    if (socket === null) return
    socket.close(1000)
    // A peer that never answers the close must not keep the process.
    setTimeout(() => socket.terminate(), 1_000).unref()
  }

  #dial(): void {
    const { server, timing, log } = this.#options
    const socket = new WebSocket(`${server.replace(/^http/, 'ws')}/agent/v1/connect`, {
      headers: { authorization: `Bearer ${this.#credential}` },
      handshakeTimeout: timing.handshakeMs,
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
      followRedirects: false,
    })
    this.#socket = socket
    socket.on('open', () => {
      if (socket !== this.#socket) return
      this.#deadline = setTimeout(
        () => this.#drop('no welcome in time', CLOSE_CODES.malformed),
        timing.handshakeMs,
      )
      this.#options.onOpened()
    })
    socket.on('message', (data, isBinary) => {
      if (socket === this.#socket) this.#receive(data, isBinary)
    })
    socket.on('unexpected-response', (request, response) => {
      if (socket !== this.#socket) return
      response.resume()
      request.destroy()
      const status = response.statusCode ?? 0
      log('connection.rejected', { status })
      this.#lose(afterRejection(status, response.headers['retry-after'], Date.now()))
    })
    socket.on('close', (code) => {
      if (socket !== this.#socket) return
      log('connection.closed', { code })
      this.#lose(afterClose(code))
    })
    // ws always closes after an error; what it says is worth a line.
    socket.on('error', (error) => {
      if (socket === this.#socket) log('connection.error', { message: sentenceOf(error) })
    })
  }

  #receive(data: RawData, isBinary: boolean): void {
    const text = isBinary ? null : data.toString()
    if (text === 'pong') {
      this.#unanswered = 0
      return
    }
    const message = parseFrame(text)
    const welcomed = this.#welcomedAtMs !== null
    if (message === null || (message.type === 'agent.welcome') === welcomed) {
      this.#drop('a frame that is not ours', CLOSE_CODES.malformed)
      return
    }
    if (message.type === 'agent.welcome') {
      const fault =
        message.protocol === PROTOCOL_VERSION ? intervalsFault(message) : 'unknown protocol version'
      if (fault !== null) {
        this.#drop(fault, CLOSE_CODES.malformed)
        return
      }
      clearTimeout(this.#deadline)
      this.#welcomedAtMs = performance.now()
      this.#heartbeat = setInterval(() => this.#beat(), message.heartbeat_ms)
    }
    this.#options.onMessage(message)
  }

  #beat(): void {
    if (this.#unanswered >= MISSED_PONGS) {
      this.#drop(`${MISSED_PONGS} heartbeats unanswered`, 1001)
      return
    }
    this.#unanswered++
    this.#write('ping')
  }

  #write(text: string): void {
    const socket = this.#socket
    if (socket?.readyState !== WebSocket.OPEN) return
    const failed = (error: unknown) => {
      if (error && socket === this.#socket) this.#drop(`write failed: ${sentenceOf(error)}`, 1001)
    }
    try {
      socket.send(text, failed)
    } catch (error) {
      failed(error)
    }
  }

  /** Our own decision to give up this socket. */
  #drop(reason: string, code: number): void {
    this.#options.log('connection.dropped', { reason })
    const socket = this.#socket
    this.#lose({ kind: 'reconnect', wait: 'backoff', retryAfterMs: null })
    socket?.close(code)
    // Half-open: no close frame will ever come back.
    socket?.terminate()
  }

  #lose(after: AfterClose): void {
    const heldMs = this.#welcomedAtMs === null ? null : performance.now() - this.#welcomedAtMs
    this.#release()
    this.#options.onClosed()
    if (this.#ended) return
    if (after.kind === 'stop') {
      this.#ended = true
      this.#options.onStopped(after.cause, after.sentence)
      return
    }
    const { timing, random, log } = this.#options
    this.#tries = triesAfterLoss(this.#tries, heldMs, timing.stableMs)
    const limits = { ...RECONNECT_LIMITS, baseMs: timing.backoffBaseMs, capMs: timing.backoffCapMs }
    // "At once" is for a connection that was up: a server that drains in a loop gets the backoff.
    const waitMs =
      after.wait === 'none' && heldMs !== null
        ? 0
        : backoffMs(Math.max(0, this.#tries - 1), random(), limits, after.retryAfterMs)
    log('connection.waiting', { tries: this.#tries, wait_ms: Math.round(waitMs) })
    this.#redial = setTimeout(() => this.#dial(), waitMs)
  }

  /** Forgets the socket: nothing that it still says is heard. */
  #release(): WebSocket | null {
    const socket = this.#socket
    this.#socket = null
    this.#welcomedAtMs = null
    this.#unanswered = 0
    clearInterval(this.#heartbeat)
    clearTimeout(this.#deadline)
    return socket
  }
}

function parseFrame(text: string | null): ServerMessage | null {
  if (text === null) return null
  try {
    return ServerMessage.safeParse(JSON.parse(text)).data ?? null
  } catch {
    // Not JSON: the same as a message that we do not know.
    return null
  }
}
