import { DurableObject } from 'cloudflare:workers'
import type { Dispatch } from '#core/dispatch.ts'
import type { JobReply } from '#core/job/input.ts'
import type { RegistryEffect, TrackedEffect } from '#core/registry/effects.ts'
import type { RegistryInput, RegistryReply } from '#core/registry/input.ts'
import { LEASE_MS } from '#core/registry/intervals.ts'
import { loadRegistry } from '#core/registry/load.ts'
import { grantedTo, type RegistryState, runnerOf } from '#core/registry/state.ts'
import { registryMachine } from '#core/registry/step.ts'
import { agentStatus, agentViews, engineViews, presentEngines, queueDepths } from '#core/registry/views.ts'
import type { RunningEngine } from '#core/select.ts'
import { CLOSE_CODES, type ServerMessage } from '#protocol/agent-messages.ts'
import type { AgentView, EngineView } from '#protocol/api.ts'
import { AgentId, type JobId, type Pool, type TaskId } from '#protocol/ids.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import { logError } from '../access/log.ts'
import { mintTaskToken } from '../access/task-token.ts'
import type { Bindings } from '../env.ts'
import { closeQuietly, identityOf, parseFrame, type SocketIdentity, sendQuietly } from './agent-socket.ts'
import { Loop } from './loop.ts'
import { Records } from './records.ts'

/** A token outlives its lease by this much, so that an upload that began in time can end. */
const TOKEN_GRACE_MS = 120_000
/** RFC 6455 §7.4.1: the server met a condition that kept it from fulfilling the request. */
const INTERNAL_ERROR = 1011

/** Numbers for /metrics. */
export interface Gauges {
  readonly queues: readonly { readonly stage: string; readonly depth: number }[]
  readonly counters: readonly { readonly name: string; readonly value: number }[]
  readonly statuses: readonly AgentView['status'][]
  readonly held: number
}

type ResultAnswered = Extract<RegistryInput, { type: 'result.answered' }>

/** One pool's agents, queues and leases: the shell round core/registry. Sockets hibernate; nothing here knows a job's DAG. */
export class Registry extends DurableObject<Bindings> {
  readonly #records: Records
  // Set in the constructor's blockConcurrencyWhile, before any call is let in.
  #loop!: Loop<RegistryState, RegistryInput, RegistryEffect, RegistryReply>

  constructor(ctx: DurableObjectState, env: Bindings) {
    super(ctx, env)
    this.#records = new Records(ctx.storage.sql)
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
    ctx.blockConcurrencyWhile(async () => this.#start(await ctx.storage.getAlarm()))
  }

  async enqueue(dispatch: Dispatch): Promise<RegistryReply> {
    return this.#loop.handle({ type: 'enqueue', dispatch })
  }

  async cancel(taskId: TaskId, fence: number): Promise<void> {
    this.#loop.handle({ type: 'cancel', taskId, fence, reason: 'the job was cancelled or has failed' })
  }

  async inquire(taskId: TaskId, fence: number): Promise<RegistryReply> {
    return this.#loop.handle({ type: 'inquire', taskId, fence })
  }

  /** The HTTP path of a result, for an agent whose socket fails. Answers in the ack's words. */
  async result(
    agentId: AgentId,
    taskId: TaskId,
    fence: number,
    outcome: TaskOutcome,
    jobId: JobId,
  ): Promise<JobReply> {
    const granted = grantedTo(this.#loop.state, agentId, { task_id: taskId, fence })
    const runner = granted === null ? null : runnerOf(granted)
    const answered = await this.#forwardResult({ jobId, agentId, taskId, fence, outcome, runner })
    this.#loop.handle(answered)
    return answered.answer
  }

  async engines(): Promise<EngineView[]> {
    this.#look()
    return engineViews(this.#loop.state, Date.now())
  }

  async agents(pool: Pool): Promise<AgentView[]> {
    this.#look()
    return agentViews(this.#loop.state, pool, Date.now())
  }

  /** What selection counts as there. */
  async present(): Promise<RunningEngine[]> {
    this.#look()
    return presentEngines(this.#loop.state, Date.now())
  }

  async gauges(): Promise<Gauges> {
    this.#look()
    const { state } = this.#loop
    const queues = Array.from(queueDepths(state), ([stage, depth]) => ({ stage, depth }))
    const counters = Array.from(state.counters, ([name, value]) => ({ name, value }))
    const statuses = [...state.agents.values()].map((agent) => agentStatus(agent, Date.now()))
    let held = 0
    for (const taskIds of state.held.values()) held += taskIds.size
    return { queues, counters, statuses, held }
  }

  /** An agent's socket; the Worker has checked its credential and says who it is. */
  override async fetch(request: Request): Promise<Response> {
    const agentId = AgentId.parse(request.headers.get('x-dalston-agent-id'))
    const name = decodeURIComponent(request.headers.get('x-dalston-agent-name') ?? agentId)
    const [client, server] = Object.values(new WebSocketPair())
    if (client === undefined || server === undefined) throw new Error('the runtime gave no socket pair')
    const sessionId = crypto.randomUUID()
    const identity: SocketIdentity = { agentId, name, sessionId, connectedAtMs: Date.now() }
    this.ctx.acceptWebSocket(server, [`agent:${agentId}`, `session:${sessionId}`])
    server.serializeAttachment(identity)
    return new Response(null, { status: 101, webSocket: client })
  }

  override webSocketMessage(socket: WebSocket, frame: string | ArrayBuffer): void {
    const message = parseFrame(frame)
    if (!message.ok) {
      closeQuietly(socket, CLOSE_CODES.malformed, message.reason)
      return
    }
    try {
      this.#loop.handle({ type: 'agent.message', ...identityOf(socket), message: message.value })
    } catch (cause) {
      // One agent's frame must not cost the others their registry; the agent connects again and says what it has.
      logError('registry.message_failed', cause, { type: message.value.type })
      closeQuietly(socket, INTERNAL_ERROR, 'the frame could not be handled')
    }
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    closeQuietly(socket, code === 1006 ? 1000 : code, 'closed')
    const { agentId, sessionId } = identityOf(socket)
    this.#loop.handle({ type: 'agent.disconnected', agentId, sessionId })
  }

  override webSocketError(socket: WebSocket): void {
    const { agentId, sessionId } = identityOf(socket)
    this.#loop.handle({ type: 'agent.disconnected', agentId, sessionId })
  }

  override alarm(): void {
    this.#loop.alarm()
  }

  #start(armedMs: number | null): void {
    const connected = new Set(this.ctx.getWebSockets().map((socket) => identityOf(socket).sessionId))
    const { state, changes } = loadRegistry(this.#records.read(), connected, Date.now())
    this.#records.write(changes)
    this.#loop = new Loop({
      name: 'registry',
      machine: registryMachine,
      state,
      records: this.#records,
      storage: this.ctx.storage,
      armedMs,
      restart: (reason) => this.ctx.abort(reason),
      wakeInput: () => ({ type: 'wake', pongsMs: this.#pongsMs() }),
      perform: (effect) => this.#perform(effect),
      effectId: (effect) => (effect.type === 'tracked' ? effect.id : null),
    })
    // What eviction forgot (lease times) starts anew now, so the alarm has to know of it.
    this.#look()
  }

  /** Agents that only ping do not wake the registry: before it judges who is there it looks at their last pong. */
  #look(): void {
    this.#loop.handle({ type: 'wake', pongsMs: this.#pongsMs() })
  }

  #pongsMs(): ReadonlyMap<AgentId, number> {
    const pongs = new Map<AgentId, number>()
    for (const socket of this.ctx.getWebSockets()) {
      const atMs = this.ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime()
      if (atMs !== undefined) pongs.set(identityOf(socket).agentId, atMs)
    }
    return pongs
  }

  #perform(effect: RegistryEffect): Promise<RegistryInput | null> | null {
    switch (effect.type) {
      case 'send':
        this.#send(effect.agentId, effect.message)
        return null
      case 'close':
        for (const socket of this.ctx.getWebSockets(`session:${effect.sessionId}`)) {
          closeQuietly(socket, effect.code, effect.reason)
        }
        return null
      case 'send.granted':
        return this.#sendGranted(effect)
      case 'send.leases':
        return this.#sendLeases(effect)
      case 'job.progress': {
        const { jobId, type: _type, ...progress } = effect
        return this.#job(jobId)
          .tell({ type: 'task.progress', ...progress })
          .then(() => null)
      }
      case 'job.result':
        return this.#forwardResult(effect)
      case 'tracked':
        return this.#performTracked(effect.id, effect.effect)
    }
  }

  async #performTracked(id: string, effect: TrackedEffect): Promise<RegistryInput> {
    const { jobId, ...told } = effect
    const job = this.#job(jobId)
    const answer =
      told.type === 'job.started'
        ? await job.tell({ ...told, type: 'task.started' })
        : await job.tell({ ...told, type: 'task.lost' })
    return { type: 'effect.answered', id, answer }
  }

  async #forwardResult(
    effect: Omit<Extract<RegistryEffect, { type: 'job.result' }>, 'type'>,
  ): Promise<ResultAnswered> {
    const { jobId, agentId, taskId, fence, outcome, runner } = effect
    const from = { agentId, runner }
    const answer = await this.#job(jobId).tell({ type: 'task.result', taskId, fence, outcome, from })
    return {
      type: 'result.answered',
      agentId,
      taskId,
      fence,
      completed: outcome.status === 'completed',
      answer,
    }
  }

  async #sendGranted(effect: Extract<RegistryEffect, { type: 'send.granted' }>): Promise<null> {
    const { message } = effect
    const token = await this.#token(
      message.task_id,
      message.fence,
      message.output_prefix,
      message.lease_until_ms,
    )
    this.#send(effect.agentId, { ...message, token })
    return null
  }

  async #sendLeases(effect: Extract<RegistryEffect, { type: 'send.leases' }>): Promise<null> {
    const leases = await Promise.all(
      effect.leases.map(async ({ outputPrefix, ...lease }) => ({
        ...lease,
        token: await this.#token(lease.task_id, lease.fence, outputPrefix, lease.lease_until_ms),
      })),
    )
    this.#send(effect.agentId, { type: 'lease.extended', leases, lost: [...effect.lost] })
    return null
  }

  #token(taskId: TaskId, fence: number, outputPrefix: string, leaseUntilMs: number): Promise<string> {
    const expiresAtMs = leaseUntilMs + TOKEN_GRACE_MS + LEASE_MS
    return mintTaskToken(this.env.TOKEN_SECRET, { taskId, fence, outputPrefix, expiresAtMs })
  }

  #send(agentId: AgentId, message: ServerMessage): void {
    const sessionId = this.#loop.state.agents.get(agentId)?.session?.id
    const text = JSON.stringify(message)
    for (const socket of this.ctx.getWebSockets(`session:${sessionId}`)) sendQuietly(socket, text)
  }

  #job(jobId: JobId) {
    return this.env.JOB.getByName(jobId)
  }
}
