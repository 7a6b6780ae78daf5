import { once } from 'node:events'
import { WebSocket } from 'ws'
import { ENGINES } from '#engines/list.ts'
import { type AgentMessage, PROTOCOL_VERSION, ServerMessage } from '#protocol/agent-messages.ts'
import { Joined } from '#protocol/api.ts'
import type { BenchServer } from './bench-server.ts'

const HEARTBEAT_MS = 10_000
/** Longer than a storm of thousands takes. */
const HANDSHAKE_MS = 120_000

type Of<Type extends ServerMessage['type']> = Extract<ServerMessage, { type: Type }>

/** An agent that speaks the wire and runs nothing: what a bench measures is the server alone. */
export class ScriptedAgent {
  readonly #socket: WebSocket
  readonly #listeners = new Set<(message: ServerMessage) => void>()
  /** Called at each pong; what a bench of heartbeats sets. */
  onPong: () => void = () => undefined
  readonly closed: Promise<void>

  private constructor(socket: WebSocket) {
    this.#socket = socket
    const heartbeat = setInterval(() => socket.send('ping'), HEARTBEAT_MS)
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    this.closed.then(() => clearInterval(heartbeat))
    socket.on('error', () => undefined) // `close` follows
    socket.on('message', (data) => {
      if (String(data) === 'pong') return this.onPong()
      const message = ServerMessage.parse(JSON.parse(String(data)))
      for (const listener of [...this.#listeners]) listener(message)
    })
  }

  static async join(server: BenchServer, slots: number): Promise<ScriptedAgent> {
    const { token } = await server.client.createJoinToken()
    return ScriptedAgent.connect(server, await joinAgent(server, token), slots)
  }

  /** With the credential of an agent that joined before. */
  static async connect({ host }: BenchServer, credential: string, slots: number): Promise<ScriptedAgent> {
    const url = `${host.address.replace('http', 'ws')}/agent/v1/connect`
    const headers = { authorization: `Bearer ${credential}` }
    const socket = new WebSocket(url, { headers, perMessageDeflate: false, handshakeTimeout: HANDSHAKE_MS })
    await once(socket, 'open')
    const agent = new ScriptedAgent(socket)
    const welcome = agent.next('agent.welcome', () => true)
    const protocol = { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION }
    agent.send({
      type: 'agent.hello',
      protocol,
      version: 'bench',
      platform: 'bench',
      slots,
      memory_mib: null,
      models_free_bytes: null,
      labels: [],
      engines: announced(slots),
      running: [],
    })
    await Promise.race([
      welcome,
      agent.closed.then(() => Promise.reject(new Error('closed before a welcome'))),
    ])
    return agent
  }

  send(message: AgentMessage): void {
    this.#socket.send(JSON.stringify(message))
  }

  ping(): void {
    this.#socket.send('ping')
  }

  on(listener: (message: ServerMessage) => void): void {
    this.#listeners.add(listener)
  }

  next<Type extends ServerMessage['type']>(
    type: Type,
    fits: (message: Of<Type>) => boolean,
  ): Promise<Of<Type>> {
    return new Promise((resolve) => {
      const listener = (message: ServerMessage) => {
        // The type was compared, so the message is of it.
        if (message.type !== type || !fits(message as Of<Type>)) return
        this.#listeners.delete(listener)
        resolve(message as Of<Type>)
      }
      this.#listeners.add(listener)
    })
  }

  close(): void {
    this.#socket.close()
  }
}

/** The credential of a new agent. */
export async function joinAgent({ host }: BenchServer, token: string): Promise<string> {
  const answer = await fetch(`${host.address}/agent/v1/join`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench' }),
  })
  return Joined.parse(await answer.json()).credential
}

function announced(slots: number): Extract<AgentMessage, { type: 'agent.hello' }>['engines'] {
  return ENGINES.map(({ manifest }) => ({
    manifest,
    device: 'cpu',
    slots,
    models: manifest.needs_model ? [model(manifest.id)] : [],
  }))
}

function model(engineId: string) {
  // An engine id has the form of a model id.
  const id = `bench-${engineId}` as Extract<
    AgentMessage,
    { type: 'agent.hello' }
  >['engines'][0]['models'][0]['id']
  return {
    id,
    runtime_model_id: id,
    languages: null,
    word_timestamps: true,
    diarization: false,
    translation: false,
    memory_mib: null,
    size_bytes: null,
    embedded: false,
    preferred: false,
    pinned: false,
    loaded: true,
  }
}
