import { DurableObject } from 'cloudflare:workers'
import type { Dispatch } from '#core/dispatch.ts'
import type { JobReply } from '#core/job/input.ts'
import type { JobParameters } from '#core/parameters.ts'
import type { Kept, PipelineChoice } from '#core/pipeline.ts'
import { type AutoPull, autoPullFor, whyWaitingForPull } from '#core/registry/auto-pull.ts'
import type { RegistryEffect } from '#core/registry/effects.ts'
import { type Gauges, gaugesOf } from '#core/registry/gauges.ts'
import type { RegistryInput, RegistryReply } from '#core/registry/input.ts'
import { loadRegistry } from '#core/registry/load.ts'
import { modelViews } from '#core/registry/model-views.ts'
import { operationView } from '#core/registry/operation-view.ts'
import { type NewOperation, type OperationBegun, orderable } from '#core/registry/operations.ts'
import { selectFor } from '#core/registry/presence.ts'
import { grantedTo, type RegistryState, runnerOf, type WaitingJob } from '#core/registry/state.ts'
import { registryMachine } from '#core/registry/step.ts'
import type { RegistryContext } from '#core/registry/turn.ts'
import { agentViews, engineViews, type Looking } from '#core/registry/views.ts'
import { sentenceOf } from '#core/registry/waiting.ts'
import { coreSettings } from '#core/settings.ts'
import { CLOSE_CODES, type ServerMessage } from '#protocol/agent-messages.ts'
import type { AgentView, EngineView, ModelView } from '#protocol/api.ts'
import {
  AgentId,
  type JobId,
  newId,
  OperationId,
  type Pool,
  type TaskId,
  type TenantId,
} from '#protocol/ids.ts'
import type { JobStatus } from '#protocol/job.ts'
import type { ModelOperationView, OrderTarget } from '#protocol/model-order.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import { logError } from '../access/log.ts'
import { catalog } from '../catalog.ts'
import { type Bindings, settingsOf } from '../env.ts'
import { closeQuietly, INTERNAL_ERROR, identityOf, parseFrame } from './agent-socket.ts'
import { AgentSockets } from './agent-sockets.ts'
import { JobCalls } from './job-calls.ts'
import { Loop } from './loop.ts'
import { memoryTimer } from './memory-timer.ts'
import { OperationStreams } from './operation-streams.ts'
import { promised } from './promised.ts'
import { Records } from './records.ts'
import { TokenSigner } from './token-signer.ts'

/** One pool's agents, queues and leases: the shell round core/registry. Sockets hibernate; nothing here knows a job's DAG. */
export class Registry extends DurableObject<Bindings> {
  readonly #records: Records
  readonly #context: RegistryContext
  readonly #signer: TokenSigner
  readonly #jobs: JobCalls
  readonly #sockets: AgentSockets
  readonly #streams = new OperationStreams((id) => operationView(this.#loop.state, id))
  // Set in the constructor's blockConcurrencyWhile, before any call is let in.
  #loop!: Loop<RegistryState, RegistryInput, RegistryEffect, RegistryReply>

  constructor(ctx: DurableObjectState, env: Bindings) {
    super(ctx, env)
    this.#records = new Records(ctx.storage.sql)
    this.#context = { settings: coreSettings(settingsOf(env)), catalog }
    this.#signer = new TokenSigner(env.TOKEN_SECRET, this.#context.settings.leaseMs)
    this.#sockets = new AgentSockets(ctx)
    this.#jobs = new JobCalls(env)
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
    const answered = await this.#jobs.result({ jobId, agentId, taskId, fence, outcome, runner })
    this.#loop.handle(answered)
    return answered.answer
  }

  /** Which engines a job would get now, or why there are none, and whether the pull of a model would mend that. */
  async select(
    parameters: JobParameters,
    kept: Kept | null = null,
  ): Promise<PipelineChoice & { readonly autoPull: AutoPull }> {
    const { state } = this.#loop
    const nowMs = Date.now()
    const choice = selectFor(state, parameters, this.#sockets.pongs, nowMs, this.#context, kept)
    return { ...choice, autoPull: autoPullFor(state, choice, nowMs, this.#context) }
  }

  /** Puts a job on the waiting list; answers why it has to wait. */
  async wait(job: WaitingJob): Promise<{ readonly why: string }> {
    const operationId = OperationId.parse(newId('op', Date.now(), crypto.getRandomValues(new Uint8Array(16))))
    this.#loop.handle({ type: 'wait', job, pongs: this.#sockets.pongs, operationId })
    const choice = await this.select(job.parameters)
    if (choice.ok) return { why: 'its engines are there' }
    return { why: whyWaitingForPull(this.#loop.state, job.jobId) ?? sentenceOf(choice.error) }
  }

  async unwait(jobId: JobId): Promise<void> {
    this.#loop.handle({ type: 'unwait', jobId })
  }

  /** Out of service (with a reason), or back in it (null). False: there is no such agent. */
  async cordon(agentId: AgentId, reason: string | null): Promise<boolean> {
    this.#loop.handle({ type: 'cordon', agentId, reason })
    return this.#loop.state.agents.has(agentId)
  }

  /** Asked to finish what it runs and to leave. */
  async dismiss(agentId: AgentId, reason: string): Promise<boolean> {
    this.#loop.handle({ type: 'dismiss', agentId, reason })
    return this.#loop.state.agents.has(agentId)
  }

  /** Its credential is no longer valid: its socket is cut, what it held goes to others. */
  async revoke(agentId: AgentId): Promise<void> {
    this.#loop.handle({ type: 'revoke', agentId })
    this.#sockets.closeAgent(agentId, CLOSE_CODES.badToken, 'the credential was revoked')
  }

  /** Orders to the target's agents, of those that the caller may name; or why none was given. */
  async beginOperation(
    operation: NewOperation,
    target: OrderTarget,
    own: readonly AgentId[],
  ): Promise<OperationBegun> {
    const { state } = this.#loop
    const asked = orderable(state, target, own, this.#context.settings.modelQueueLimit)
    if (!asked.ok) return asked
    const { agentIds, full } = asked
    this.#loop.handle({ type: 'operation.begin', operation, agentIds, full })
    return { ok: true, operation: operationView(state, operation.id) }
  }

  /** Null: there is none, or it is another tenant's. */
  async operation(id: OperationId, tenantId: TenantId): Promise<ModelOperationView | null> {
    const { state } = this.#loop
    return state.operations.get(id)?.tenantId === tenantId ? operationView(state, id) : null
  }

  /** As it stands then, over or not before. Null: there is none, or it is another tenant's. */
  async cancelOperation(operationId: OperationId, tenantId: TenantId): Promise<ModelOperationView | null> {
    if ((await this.operation(operationId, tenantId)) === null) return null
    this.#loop.handle({ type: 'operation.cancel', operationId })
    return operationView(this.#loop.state, operationId)
  }

  async engines(): Promise<EngineView[]> {
    return engineViews(this.#loop.state, this.#looking())
  }

  /** Worked out here: the engines of a large fleet are more than one call can carry. */
  async models(): Promise<ModelView[]> {
    return modelViews(catalog.models, engineViews(this.#loop.state, this.#looking()))
  }

  async agents(pool: Pool): Promise<AgentView[]> {
    return agentViews(this.#loop.state, pool, this.#looking())
  }

  async gauges(): Promise<Gauges> {
    return gaugesOf(this.#loop.state, this.#looking())
  }

  /** For the metrics. */
  async jobEnded(status: JobStatus, durationMs: number): Promise<void> {
    this.#loop.handle({ type: 'job.ended', status, durationMs })
  }

  /** An agent's socket, or who watches an operation; the Worker has checked who they are and says so. */
  override async fetch(request: Request): Promise<Response> {
    const connecting = request.headers.get('x-dalston-agent-id')
    if (connecting === null)
      return this.#streams.answer(OperationId.parse(request.headers.get('x-dalston-operation-id')), request)
    const agentId = AgentId.parse(connecting)
    const name = decodeURIComponent(request.headers.get('x-dalston-agent-name') ?? agentId)
    const greeted = this.#loop.state.agents.get(agentId)?.session?.id ?? null
    const { client, session } = this.#sockets.accept(agentId, name, greeted)
    this.#loop.handle({ type: 'agent.connected', agentId, sessionId: session })
    return new Response(null, { status: 101, webSocket: client })
  }

  override webSocketMessage(socket: WebSocket, frame: string | ArrayBuffer): void {
    // We closed it: what was under way then is no longer heard.
    if (socket.readyState !== WebSocket.READY_STATE_OPEN) return
    const message = parseFrame(frame)
    if (!message.ok) {
      closeQuietly(socket, message.code, message.reason)
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
    const { leaseMs, heartbeatMs, offerMs, startMs } = this.#context.settings
    const { state, changes } = loadRegistry(
      this.#records.read(),
      this.#sockets.sessions(),
      Date.now(),
      leaseMs,
      this.#sockets.pongsWithin(leaseMs, heartbeatMs),
    )
    this.#records.write(changes)
    this.#loop = new Loop({
      name: 'registry',
      machine: registryMachine(this.#context),
      state,
      records: this.#records,
      storage: this.ctx.storage,
      setTimer: memoryTimer(() => this.#loop.timer()),
      soonMs: Math.max(offerMs, startMs),
      armedMs,
      nowMs: () => Date.now(),
      log: logError,
      restart: (reason) => this.ctx.abort(reason),
      wakeInput: () => ({ type: 'wake', pongs: this.#sockets.pongs }),
      perform: promised((effect) => this.#perform(effect)),
      effectId: (effect) => (effect.type === 'tracked' ? effect.id : null),
    })
    // What eviction forgot (lease times) starts anew now, so the alarm has to know of it.
    this.#loop.handle({ type: 'wake', pongs: this.#sockets.pongs })
  }

  #looking(): Looking {
    return { nowMs: Date.now(), pongs: this.#sockets.pongs, settings: this.#context.settings }
  }

  #perform(effect: RegistryEffect): Promise<RegistryInput | null> | null {
    switch (effect.type) {
      case 'send':
        return this.#send(effect.agentId, effect.message)
      case 'job.waits':
        return this.#jobs.waits(effect)
      case 'operation.changed':
        this.#streams.changed(effect.operationId, effect.isOver)
        return null
      case 'close':
        this.#sockets.close(effect.sessionId, effect.code, effect.reason)
        return null
      case 'send.granted':
        return this.#signer.granted(effect.message).then((message) => this.#send(effect.agentId, message))
      case 'send.leases':
        return this.#signer.leases(effect).then((message) => this.#send(effect.agentId, message))
      case 'job.progress':
        return this.#jobs.progress(effect)
      case 'job.result':
        return this.#jobs.result(effect)
      case 'tracked':
        return this.#jobs.tracked(effect.id, effect.effect)
    }
  }

  #send(agentId: AgentId, message: ServerMessage): null {
    this.#sockets.send(this.#loop.state.agents.get(agentId)?.session?.id, message)
    return null
  }
}
