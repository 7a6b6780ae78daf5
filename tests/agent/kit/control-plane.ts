import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import type { z } from 'zod'
import {
  AgentMessage,
  PROTOCOL_VERSION,
  type ServerMessage,
  TaskResult,
  type Welcome,
} from '#protocol/agent-messages.ts'
import { AgentId } from '#protocol/ids.ts'
import { ArtifactStore, bodyOf, json } from './artifact-store.ts'
import { Inbox } from './inbox.ts'

export const JOIN_TOKEN = 'dj_secret-join-token'
export const CREDENTIAL = 'da_secret-agent-credential'
export const AGENT_ID = AgentId.parse('agent_01jd0000000000000000000000')

type Hello = Extract<AgentMessage, { type: 'agent.hello' }>
type Rejection = { readonly status: number; readonly headers?: Record<string, string> }

/** A control plane that does what the test says: real HTTP and WebSocket on a free port of 127.0.0.1. */
export class ControlPlane {
  readonly artifacts = new ArtifactStore()
  readonly links = new Inbox<Link>()
  /** Dials in order, with their times: what was refused and what was let in. */
  readonly dials = new Inbox<{ readonly atMs: number; readonly authorization: string | undefined }>()
  readonly joins: string[] = []
  readonly postedResults = new Inbox<z.infer<typeof TaskResult>>()
  /** Of the next dials: refuse them. */
  readonly rejectDials: Rejection[] = []
  /** Of the next posted results: what they get; `accepted` when nothing is ordered. */
  readonly answerResults: (Rejection | 'stale' | 'accepted')[] = []
  joinAnswer: Rejection = { status: 201 }
  /** What each rotation showed; they are answered in order `da_rotated-1`, `da_rotated-2` ... */
  readonly rotations = new Inbox<string | undefined>()
  /** What the n-th rotation waits for before it is answered. */
  beforeRotation: (n: number) => Promise<void> = () => Promise.resolve()
  /** Of the next rotations: refuse them, or make a new credential and lose the answer. */
  readonly answerRotations: (Rejection | 'lost')[] = []
  /** Which credentials a dial may show. */
  opens: (authorization: string | undefined) => boolean = () => true
  answersPings = true
  /** What the welcome says besides the usual; `resume` defaults to everything that hello says is running. */
  welcome: Partial<z.infer<typeof Welcome>> | 'none' = {}
  readonly #http: Server
  readonly #sockets = new WebSocketServer({ noServer: true })

  private constructor(http: Server) {
    this.#http = http
    http.on('request', (request, response) => void this.#answer(request, response))
    http.on('upgrade', (request, socket, head) => {
      this.dials.put({ atMs: performance.now(), authorization: request.headers.authorization })
      const isGood = this.opens(request.headers.authorization)
      const rejection = this.rejectDials.shift() ?? (isGood ? undefined : { status: 401 })
      if (rejection !== undefined) {
        const headers = Object.entries(rejection.headers ?? {}).map(
          ([name, value]) => `${name}: ${value}\r\n`,
        )
        socket.end(`HTTP/1.1 ${rejection.status} No\r\n${headers.join('')}content-length: 0\r\n\r\n`)
        return
      }
      this.#sockets.handleUpgrade(request, socket, head, (websocket) => {
        const link = new Link(websocket, this)
        void link.hello.then(() => this.links.put(link))
      })
    })
  }

  static async start(): Promise<ControlPlane> {
    const http = createServer()
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    return new ControlPlane(http)
  }

  get url(): string {
    // A listening TCP server's address is an object.
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  /** The next connection that said hello (and was welcomed). */
  link(limitMs?: number): Promise<Link> {
    return this.links.take('connection', () => true, limitMs)
  }

  welcomeFor(hello: Hello): ServerMessage | null {
    if (this.welcome === 'none') return null
    return {
      type: 'agent.welcome',
      protocol: PROTOCOL_VERSION,
      agent_id: AGENT_ID,
      session_id: 'session-1',
      heartbeat_ms: 5_000,
      lease_ms: 30_000,
      lease_extend_ms: 7_500,
      result_ack_ms: 5_000,
      resume: hello.running,
      ...this.welcome,
    }
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate()
    this.#http.closeAllConnections()
    await new Promise((resolve) => this.#http.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    try {
      if (path.startsWith('/agent/v1/artifacts/')) return await this.artifacts.handle(request, response)
      const body: unknown = JSON.parse((await bodyOf(request)).toString())
      if (path === '/agent/v1/join') return this.#join(request, response)
      if (path === '/agent/v1/credential') return await this.#rotate(request, response)
      return this.#result(TaskResult.parse(body), response)
    } catch {
      // The agent ended the request in the middle: nobody waits for an answer.
      response.destroy()
    }
  }

  #join(request: IncomingMessage, response: ServerResponse): void {
    this.joins.push(request.headers.authorization ?? '')
    if (this.joinAnswer.status !== 201)
      response.writeHead(this.joinAnswer.status, this.joinAnswer.headers).end()
    else json(response, 201, { agent_id: AGENT_ID, pool: 'default', credential: CREDENTIAL })
  }

  async #rotate(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.rotations.put(request.headers.authorization)
    const answer = this.answerRotations.shift()
    const number = this.rotations.all.length
    await this.beforeRotation(number)
    const credential = `da_rotated-${number}`
    if (answer === 'lost') response.destroy()
    else if (answer !== undefined) response.writeHead(answer.status, answer.headers).end()
    else json(response, 201, { agent_id: AGENT_ID, credential })
  }

  #result(result: z.infer<typeof TaskResult>, response: ServerResponse): void {
    const answer = this.answerResults.shift() ?? 'accepted'
    if (typeof answer === 'object') response.writeHead(answer.status, answer.headers).end()
    else json(response, 200, { type: 'task.ack', task_id: result.task_id, fence: result.fence, answer })
    this.postedResults.put(result)
  }
}

/** One agent's socket, from the server's side. */
export class Link {
  readonly messages = new Inbox<AgentMessage>()
  readonly hello: Promise<Hello>
  readonly closed: Promise<number>
  pings = 0
  /** Called at each ping, after it was counted. */
  onPing: () => void = () => {}
  readonly #socket: WebSocket

  constructor(socket: WebSocket, plane: ControlPlane) {
    this.#socket = socket
    const hello = Promise.withResolvers<Hello>()
    this.hello = hello.promise
    this.closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)))
    socket.on('message', (data) => {
      if (data.toString() === 'ping') {
        this.pings++
        if (plane.answersPings) socket.send('pong')
        this.onPing()
        return
      }
      const message = AgentMessage.parse(JSON.parse(data.toString()))
      this.messages.put(message)
      if (message.type !== 'agent.hello') return
      const welcome = plane.welcomeFor(message)
      if (welcome !== null) this.send(welcome)
      hello.resolve(message)
    })
  }

  /** The next message of a type. */
  async next<T extends AgentMessage['type']>(
    type: T,
    test: (message: Extract<AgentMessage, { type: T }>) => boolean = () => true,
    limitMs?: number,
  ): Promise<Extract<AgentMessage, { type: T }>> {
    const isIt = (message: AgentMessage): message is Extract<AgentMessage, { type: T }> =>
      message.type === type
    const message = await this.messages.take(type, (one) => isIt(one) && test(one), limitMs)
    if (!isIt(message)) throw new Error('take returned what it was not asked for')
    return message
  }

  count(type: AgentMessage['type']): number {
    return this.messages.all.filter((message) => message.type === type).length
  }

  send(message: ServerMessage): void {
    this.raw(JSON.stringify(message))
  }

  raw(frame: string | Buffer): void {
    this.#socket.send(frame)
  }

  close(code: number): void {
    this.#socket.close(code)
  }

  /** The line is cut: no close frame. */
  cut(): void {
    this.#socket.terminate()
  }
}
