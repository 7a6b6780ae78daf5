import { join as joinPath } from 'node:path'
import { Agent as HttpAgent } from 'undici'
import type { Grant } from '#protocol/agent-messages.ts'
import type { AnnouncedEngine } from '#protocol/engine.ts'
import packageJson from '../package.json' with { type: 'json' }
import { announcedEngines } from './announcement.ts'
import { OutputCache } from './cache.ts'
import type { StopCause } from './close.ts'
import type { AgentConfig } from './config.ts'
import { Connection } from './connection.ts'
import { describeDevice } from './device.ts'
import { type ChosenDevice, chooseDevice } from './device-probe.ts'
import { EngineHosts } from './engine-hosts.ts'
import type { EngineList } from './engine-list.ts'
import { type Identified, Identity } from './identity.ts'
import { type Log, sentenceOf } from './log.ts'
import { Models } from './models/models.ts'
import { ModelOrders } from './models/orders.ts'
import { OutboxFiles } from './outbox-files.ts'
import { postResult } from './result-post.ts'
import type { AgentEnd, RunningAgent } from './running-agent.ts'
import { RunningTasks } from './running-tasks.ts'
import { type Effect, grantKey, grantOf, type TaskResult } from './session/state.ts'
import { newSession } from './session.ts'
import { nowMs, SessionLoop } from './session-loop.ts'
import type { TaskTools } from './tasks.ts'
import { WorkFolder } from './work-folder.ts'

/** Opens the data folder and checks the models; then joins and connects in the background. Rejects when it cannot. */
export async function startAgent(config: AgentConfig, engines: EngineList, log: Log): Promise<RunningAgent> {
  const work = await WorkFolder.open(config.dataFolder)
  const outbox = new OutboxFiles(config.dataFolder)
  const unanswered = await outbox.load()
  const models = await Models.open({ ...config, log, nowMs: Date.now, random: Math.random })
  const device = await chooseDevice(config.device, log)
  return new Agent({ config, engines, log, work, outbox, models, device }, unanswered)
}

interface Parts {
  readonly config: AgentConfig
  readonly engines: EngineList
  readonly log: Log
  readonly work: WorkFolder
  readonly outbox: OutboxFiles
  readonly models: Models
  readonly device: ChosenDevice
}

/** The shell round the session: it performs the orders and tells what happened. Decisions are in `session.ts`. */
class Agent implements RunningAgent {
  readonly ready: Promise<void>
  readonly ended: Promise<AgentEnd>
  readonly #parts: Parts
  readonly #loop: SessionLoop
  readonly #http = new HttpAgent()
  readonly #hosts: EngineHosts
  readonly #orders: ModelOrders
  readonly #cache: OutputCache
  readonly #machine = describeDevice()
  readonly #tasks: RunningTasks
  readonly #ending = new AbortController()
  readonly #becameReady = Promise.withResolvers<void>()
  readonly #becameEnded = Promise.withResolvers<AgentEnd>()
  readonly #cacheSweep: NodeJS.Timeout
  readonly #rotation: NodeJS.Timeout
  readonly #identity: Identity
  #connection: Connection | null = null

  constructor(parts: Parts, unanswered: Parameters<typeof newSession>[0]['unanswered']) {
    const { config, engines, log, work } = parts
    this.ready = this.#becameReady.promise
    this.ended = this.#becameEnded.promise
    this.#parts = parts
    this.#cache = new OutputCache(joinPath(work.path, 'cache'), config.cacheLimitBytes)
    this.#cacheSweep = setInterval(() => this.#attempt(this.#cache.sweep(nowMs())), CACHE_SWEEP_MS).unref()
    this.#hosts = new EngineHosts(engines, {
      abortGraceMs: config.timing.abortGraceMs,
      log,
      nowMs,
      models: parts.models,
      threads: config.threads,
      device: parts.device.name,
      memoryMib: config.memoryMib,
      vramMib: config.vramMib,
      keepAliveSeconds: config.keepAliveSeconds,
      onChanged: () => this.#announce(),
    })
    this.#orders = new ModelOrders({
      models: parts.models,
      engines,
      prefetch: (modelId, keepAliveSeconds) => this.#hosts.prefetch(modelId, keepAliveSeconds),
      report: (message) => this.#loop.dispatch({ type: 'order.reported', message }),
      dataFolder: config.dataFolder,
      nowMs,
      log,
    })
    parts.models.onChanged(() => {
      // What is no longer pinned, or was replaced or removed on the disk, may have to leave.
      this.#hosts.settle()
      this.#announce()
    })
    this.#tasks = new RunningTasks(this.#tools(), log, (event) => this.#loop.dispatch(event))
    const identity = {
      version: packageJson.version,
      platform: this.#machine.platform,
      slots: config.slots,
      memoryMib: config.memoryMib,
      labels: config.labels,
      drainLimitMs: config.drainTimeoutMs,
    }
    const session = newSession(
      { identity, engines: this.#announced(), modelsFreeBytes: parts.models.freeBytes, unanswered },
      nowMs(),
    )
    this.#loop = new SessionLoop(session, (effect) => this.#perform(effect))
    log('agent.started', { name: config.name, server: config.server, version: packageJson.version })
    const { signal } = this.#ending
    this.#identity = new Identity({ config, log, dispatcher: this.#http, random: Math.random, signal })
    const everyMs = Math.min(ROTATION_CHECK_MS, config.rotateAfterMs)
    this.#rotation = setInterval(() => this.#attempt(this.#rotate()), everyMs).unref()
    this.#attempt(this.#connect(this.#identity.open()))
  }

  drain(reason: string, limitMs = this.#parts.config.drainTimeoutMs): void {
    this.#parts.log('agent.drain', { reason })
    this.#loop.dispatch({ type: 'drain.requested', reason, limitMs })
  }

  warm(): void {
    this.#hosts.warm(this.#parts.engines.map(({ manifest }) => manifest.id))
  }

  stop(): Promise<AgentEnd> {
    return this.#end({ exitCode: 0, sentence: null })
  }

  async #connect(identity: Promise<Identified>): Promise<void> {
    const { config, log } = this.#parts
    const identified = await identity.catch((error: unknown) => this.#fail(error))
    if (identified === null || this.#ending.signal.aborted) return
    if (!identified.ok) {
      await this.#end({ exitCode: 4, sentence: identified.sentence })
      return
    }
    this.#connection = new Connection({
      server: config.server,
      credential: identified.credential,
      timing: config.timing,
      log,
      random: Math.random,
      onOpened: () => this.#loop.dispatch({ type: 'link.opened' }),
      onMessage: (message) => {
        if (message.type === 'agent.welcome') {
          log('agent.welcomed', { agent_id: message.agent_id, session_id: message.session_id })
          this.#becameReady.resolve()
          this.#attempt(this.#identity.welcomed())
        }
        this.#loop.dispatch({ type: 'message', message })
      },
      onClosed: () => this.#loop.dispatch({ type: 'link.closed' }),
      onStopped: (cause, sentence) => this.#attempt(this.#stopped(cause, sentence)),
    })
  }

  async #fail(error: unknown): Promise<null> {
    await this.#end({ exitCode: 1, sentence: sentenceOf(error) })
    return null
  }

  async #stopped(cause: StopCause, sentence: string): Promise<void> {
    if (cause === 'bad_token' || cause === 'revoked')
      await this.#connect(this.#identity.refused(cause, sentence))
    else await this.#end({ exitCode: 1, sentence })
  }

  async #rotate(): Promise<void> {
    const credential = await this.#identity.rotateWhenDue()
    if (credential !== null) this.#connection?.renew(credential)
  }

  #perform(effect: Effect): void {
    const { outbox } = this.#parts
    switch (effect.type) {
      case 'send':
        this.#connection?.send(effect.message)
        break
      case 'startTask':
        this.#tasks.start(effect.offer, effect.granted, () => this.#tokenOf(effect.granted))
        break
      case 'abortTask':
        this.#tasks.abort(effect.grant, effect.reason)
        break
      case 'saveResult':
        this.#attempt(outbox.save(effect.result))
        break
      case 'postResult':
        this.#attempt(this.#post(effect.result))
        break
      case 'forgetResult':
        this.#attempt(this.#forget(effect.result, effect.keepOutputs))
        break
      case 'performOrder':
        this.#attempt(this.#orders.perform(effect.order))
        break
      case 'cancelOrder':
        this.#orders.cancel(effect.operationId)
        break
      case 'leave':
        this.#attempt(this.#end({ exitCode: 0, sentence: null }))
        break
    }
  }

  async #post(result: TaskResult): Promise<void> {
    const { credential } = this.#identity
    const { server } = this.#parts.config
    const posted =
      credential === null
        ? { answer: null, retryAfterMs: null }
        : await postResult(result, { server, credential, dispatcher: this.#http })
    this.#parts.log('result.posted', { task_id: result.task_id, fence: result.fence, answer: posted.answer })
    this.#loop.dispatch({ type: 'result.posted', grant: grantOf(result), random: Math.random(), ...posted })
  }

  async #forget(result: TaskResult, keepOutputs: boolean): Promise<void> {
    await this.#parts.outbox.forget(result)
    if (!keepOutputs) await this.#cache.drop(outputKeys(result))
    this.#parts.log('result.forgotten', {
      task_id: result.task_id,
      fence: result.fence,
      outputs_kept: keepOutputs,
    })
  }

  /** The one end: nothing of this agent is left when it resolves. */
  async #end(end: AgentEnd): Promise<AgentEnd> {
    if (this.#ending.signal.aborted) return this.ended
    this.#ending.abort()
    this.#loop.stop()
    this.#connection?.close()
    clearInterval(this.#cacheSweep)
    clearInterval(this.#rotation)
    this.#tasks.abortAll('handed_back')
    await this.#hosts.stop()
    await this.#tasks.ended()
    await this.#parts.models.stop()
    await this.#parts.outbox.idle()
    await this.#identity.idle()
    await this.#parts.work.remove()
    await this.#http.destroy()
    this.#parts.log('agent.ended', { exit_code: end.exitCode, message: end.sentence })
    this.#becameEnded.resolve(end)
    return end
  }

  #tokenOf(grant: Grant): string | null {
    const task = this.#loop.state.tasks.get(grantKey(grant))
    return task?.kind === 'running' ? task.token : null
  }

  #tools(): TaskTools {
    const { config, work } = this.#parts
    const transfer = {
      server: config.server,
      dispatcher: this.#http,
      partSizeBytes: config.partSizeBytes,
      random: Math.random,
      limits: { baseMs: config.timing.backoffBaseMs, capMs: config.timing.backoffCapMs },
    }
    return { work, cache: this.#cache, hosts: this.#hosts, transfer, nowMs }
  }

  #announce(): void {
    const modelsFreeBytes = this.#parts.models.freeBytes
    this.#loop.dispatch({ type: 'engines.changed', engines: this.#announced(), modelsFreeBytes })
  }

  #announced(): AnnouncedEngine[] {
    return announcedEngines({ ...this.#parts, slots: this.#parts.config.slots }, this.#hosts)
  }

  /** Work whose failure stops nothing: a file that cannot be written costs a resend, not the agent. */
  #attempt(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!this.#ending.signal.aborted) this.#parts.log('agent.error', { message: sentenceOf(error) })
    })
  }
}

const CACHE_SWEEP_MS = 60_000
/** A rotation that came to nothing is tried again so soon. */
const ROTATION_CHECK_MS = 3_600_000

function outputKeys({ outcome }: TaskResult): string[] {
  return outcome.status === 'completed' ? outcome.artifacts.map((artifact) => artifact.key) : []
}
