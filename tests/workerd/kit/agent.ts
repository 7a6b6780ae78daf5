import { WebSocket } from 'ws'
import { type EngineStage, STAGE_ARTIFACTS } from '#engines/engine.ts'
import { AgentMessage, CLOSE_CODES, PROTOCOL_VERSION, ServerMessage } from '#protocol/agent-messages.ts'
import { CreatedJoinToken, Joined } from '#protocol/api.ts'
import type { AnnouncedEngine } from '#protocol/engine.ts'
import type { JobId } from '#protocol/ids.ts'
import { AgentLabel } from '#protocol/model-order.ts'
import type { Stage } from '#protocol/stage.ts'
import type { Artifact, TaskOutcome } from '#protocol/task.ts'
import { Inbox } from '#tests/agent/kit/inbox.ts'
import { callJson } from './api.ts'
import { anEngine } from './engines.ts'
import { eventually } from './eventually.ts'
import { completed } from './outcomes.ts'
import type { Server } from './server.ts'

type Granted = Extract<ServerMessage, { type: 'task.granted' }>
type Grant = Pick<Granted, 'task_id' | 'fence'>
type Message<Type extends ServerMessage['type']> = Extract<ServerMessage, { type: Type }>

export interface AgentOptions {
  readonly name?: string
  readonly engines?: readonly AnnouncedEngine[]
  readonly slots?: number
  readonly memoryMib?: number
  readonly labels?: readonly string[]
  readonly joined?: Joined
  readonly running?: readonly Grant[]
  /** False: the test says hello itself. */
  readonly greets?: boolean
}

export async function joinAgent(server: Server, name = 'box', pool?: string): Promise<Joined> {
  const created = await callJson(server, '/v1/agents/tokens', pool === undefined ? {} : { pool })
  const { token } = CreatedJoinToken.parse(await created.json())
  const joined = await callJson(server, '/agent/v1/join', { name }, { token })
  return Joined.parse(await joined.json())
}

/** An agent that does what the test says: the real wire, no engine behind it. */
export class ScriptedAgent {
  readonly joined: Joined
  readonly inbox = new Inbox<ServerMessage>()
  /** The code with which the server (or this side) closed the socket. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  readonly #socket: WebSocket
  readonly #server: Server
  readonly #pongs = new Inbox<'pong'>()
  #n = 0

  private constructor(server: Server, joined: Joined, socket: WebSocket) {
    this.joined = joined
    this.#server = server
    this.#socket = socket
    socket.on('message', (data) => {
      if (String(data) === 'pong') this.#pongs.put('pong')
      else this.inbox.put(ServerMessage.parse(JSON.parse(String(data))))
    })
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }))
    })
    socket.on('error', () => undefined) // `close` follows, and tells the code
  }

  static async connect(server: Server, options: AgentOptions = {}): Promise<ScriptedAgent> {
    const joined = options.joined ?? (await joinAgent(server, options.name))
    const url = `ws://${server.url.host}/agent/v1/connect`
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${joined.credential}` } })
    const agent = new ScriptedAgent(server, joined, socket)
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    if (options.greets === false) return agent
    agent.hello(options)
    await agent.next('agent.welcome')
    return agent
  }

  hello(options: AgentOptions = {}): void {
    const { engines = [anEngine('prepare'), anEngine('ctc')], slots = 4, running = [] } = options
    const protocol = { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION }
    const rest = {
      version: '0.1.0',
      platform: 'linux-x64',
      slots,
      memory_mib: options.memoryMib ?? null,
      models_free_bytes: null,
      labels: (options.labels ?? []).map((label) => AgentLabel.parse(label)),
      engines: [...engines],
      running: [...running],
    }
    this.send({ type: 'agent.hello', protocol, ...rest })
  }

  send(message: AgentMessage): void {
    this.sendRaw(JSON.stringify(AgentMessage.parse(message)))
  }

  sendRaw(frame: string | Buffer): void {
    this.#socket.send(frame)
  }

  next<Type extends ServerMessage['type']>(type: Type): Promise<Message<Type>> {
    // The test below lets only that type through.
    return this.inbox.take(type, (message) => message.type === type) as Promise<Message<Type>>
  }

  pong(): Promise<'pong'> {
    return this.#pongs.take('pong', () => true)
  }

  /** Takes the offer of a job's stage: what the agent was granted. */
  async accept(jobId: JobId, stage: Stage, channel: number | null = null): Promise<Granted> {
    const taskId = `${jobId}.${stage}${channel === null ? '' : `.ch${channel}`}`
    const offer = await this.about('task.offer', taskId)
    this.send({ type: 'task.accept', task_id: offer.task_id, fence: offer.fence })
    return this.about('task.granted', taskId)
  }

  /** The next message of a type about one task. */
  about<Type extends 'task.offer' | 'task.granted' | 'task.cancel' | 'task.ack'>(
    type: Type,
    taskId: string,
  ): Promise<Message<Type>> {
    const isIt = (message: ServerMessage) =>
      message.type === type && 'task_id' in message && message.task_id === taskId
    // The test above lets only that type through.
    return this.inbox.take(`${type} of ${taskId}`, isIt) as Promise<Message<Type>>
  }

  start({ task_id, fence }: Grant): void {
    this.send({ type: 'task.started', task_id, fence })
  }

  progress({ task_id, fence }: Grant, percent: number, text: string | null = null): void {
    const partial = text === null ? null : { revision: this.#n + 1, start: 0, end: 1, text }
    const progress = { percent, message: null }
    this.send({ type: 'task.progress', task_id, fence, n: ++this.#n, progress, partial })
  }

  /** Stores an output where the grant says. */
  async upload(grant: Granted, name: string, body: string | Uint8Array<ArrayBuffer>): Promise<Artifact> {
    const key = `${grant.output_prefix}${name}`
    const content_type = 'application/octet-stream'
    const response = await fetch(new URL(`/agent/v1/artifacts/${key}`, this.#server.url), {
      method: 'PUT',
      headers: { authorization: `Bearer ${grant.token}`, 'content-type': content_type },
      body,
    })
    if (response.status !== 201) throw new Error(`PUT ${key}: ${response.status} ${await response.text()}`)
    return { name, key, size_bytes: new Blob([body]).size, content_type }
  }

  /** Sends a result and awaits the Job's answer. */
  async result({ task_id, fence }: Grant, outcome: TaskOutcome): Promise<Message<'task.ack'>['answer']> {
    this.send({ type: 'task.result', task_id, fence, outcome })
    return (await this.about('task.ack', task_id)).answer
  }

  /** Does a stage from offer to ack. `lines` is what is written as its transcript; other documents are empty. */
  async run(jobId: JobId, stage: EngineStage, lines = '', channel: number | null = null): Promise<Granted> {
    const grant = await this.accept(jobId, stage, channel)
    this.start(grant)
    // Of prepare the samples are enough.
    const names = stage === 'prepare' ? ['audio.s16'] : STAGE_ARTIFACTS[stage].writes
    const artifacts: Artifact[] = []
    for (const name of names) {
      const text = name === 'transcript.jsonl' ? lines : ''
      artifacts.push(await this.upload(grant, name, name.endsWith('.s16') ? new Uint8Array(64) : text))
    }
    await this.result(grant, completed(stage, artifacts))
    return grant
  }

  /**
   * The code of the server's close frame. The runtime ends the connection of a socket that said nothing only when the
   * object rests, ten seconds later: this side does not wait for it.
   */
  async refused(): Promise<number> {
    await eventually(
      async () => this.#socket.readyState,
      (state) => state !== WebSocket.OPEN,
    )
    this.#socket.terminate()
    return (await this.closed).code
  }

  /** Closes and waits until it is closed. */
  async leave(): Promise<void> {
    this.#socket.close(CLOSE_CODES.drain)
    await this.closed
  }
}
