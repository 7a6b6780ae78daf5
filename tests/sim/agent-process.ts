import {
  type Effect,
  grantKey,
  grantOf,
  type SessionEvent,
  type SessionState,
  type TaskResult,
} from '#agent/session/state.ts'
import { newSession, nextWakeMs, step } from '#agent/session.ts'
import { type AgentMessage, CLOSE_CODES, type Grant } from '#protocol/agent-messages.ts'
import type { AgentId } from '#protocol/ids.ts'
import { AgentLink } from './agent-link.ts'
import { AgentOrders } from './agent-orders.ts'
import { type AgentConfig, enginesOf, LABEL } from './config.ts'
import { agentIdOf, grantOf as shortGrant, shortOf } from './names.ts'
import type { World } from './world.ts'

const DRAIN_LIMIT_MS = 60_000

/** A task that an engine's child runs. */
export interface Run {
  readonly grant: Grant
  readonly startedMs: number
  isAborting: boolean
}

/** An agent: the product's session machine, with a connection, files and engines that do what events say. */
export class AgentProcess {
  readonly number: number
  readonly id: AgentId
  readonly config: AgentConfig
  /** Null while the process does not run. */
  session: SessionState | null = null
  link: AgentLink | null = null
  isHung = false
  /** Its credential was revoked: it never comes back. */
  isRevoked = false
  isModelLoaded = false
  readonly runs = new Map<string, Run>()
  readonly files = new Map<string, TaskResult>()
  readonly orders: AgentOrders
  readonly #world: World
  #bootMs = 0
  #life = 0

  constructor(world: World, number: number, config: AgentConfig) {
    this.#world = world
    this.number = number
    this.id = agentIdOf(number)
    this.config = config
    this.orders = new AgentOrders(world, this)
  }

  /** What it announces. */
  get engines() {
    return enginesOf(this.config, this.isModelLoaded, this.orders.installed)
  }

  /** Of two agents one has the label. */
  get labels() {
    return this.number % 2 === 0 ? [LABEL] : []
  }

  get isRunning(): boolean {
    return this.session !== null && !this.isHung
  }

  /** When its machine wants to be woken, on the world's clock. */
  get wakeMs(): number | null {
    if (this.session === null) return null
    const wakeMs = nextWakeMs(this.session)
    if (wakeMs === null) return null
    let atMs = Math.ceil(this.#bootMs + wakeMs / this.config.rate)
    while (this.#ownMs(atMs) < wakeMs) atMs++
    return atMs
  }

  start(): void {
    const { slots, memoryMib } = this.config
    this.#bootMs = this.#world.nowMs
    this.isHung = false
    const identity = {
      version: '1',
      platform: 'sim',
      slots,
      memoryMib,
      labels: this.labels,
      drainLimitMs: DRAIN_LIMIT_MS,
    }
    const { engines } = this
    this.session = newSession(
      { identity, engines, modelsFreeBytes: null, unanswered: [...this.files.values()] },
      0,
    )
    this.#world.count('agent starts')
  }

  /** The process and its children are gone; what the disk has stays. */
  end(): void {
    this.session = null
    this.link = null
    this.isHung = false
    this.#life++
    this.runs.clear()
    this.orders.known.clear()
  }

  dial(): void {
    const socket = this.#world.openSocket(this.number)
    this.link = new AgentLink(socket, this.config.rate, this.#world.nowMs)
    this.#world.registry.accept(socket)
    this.step({ type: 'link.opened' })
  }

  /** The next frame of the socket, or its end. */
  receive(): void {
    const { link } = this
    const frame = link?.socket.down.shift()
    if (link === null) return
    if (frame === undefined) {
      const { end } = link
      this.loseLink()
      if (end === 'reconnects') return
      if (link.socket.closeCode === CLOSE_CODES.badToken) this.isRevoked = true
      else this.#world.violated('replaced', `agent ${this.number} is told to stop for good`)
      this.end()
    } else if (link.receive(frame.message, this.#world.nowMs)) {
      this.step({ type: 'message', message: frame.message })
    } else this.loseLink()
  }

  beat(): void {
    if (this.link !== null && !this.link.beat(this.#world.nowMs)) this.loseLink()
  }

  loseLink(): void {
    const { link } = this
    if (link === null) return
    this.link = null
    link.socket.isAgentOpen = false
    this.step({ type: 'link.closed' })
  }

  changeModel(isLoaded: boolean): void {
    this.isModelLoaded = isLoaded
    this.announce()
  }

  announce(): void {
    this.step({ type: 'engines.changed', engines: this.engines, modelsFreeBytes: null })
  }

  say(message: AgentMessage): void {
    this.link?.socket.sendUp(message, this.#world.nowMs)
  }

  step(event: SessionEvent): void {
    if (this.session === null) return
    const { state, effects } = step(this.session, event, this.#ownMs(this.#world.nowMs))
    this.session = state
    const life = this.#life
    for (const effect of effects) if (this.#life === life) this.#perform(effect)
    if (state.tasks.size > this.config.slots || this.runs.size > this.config.slots) {
      this.#world.violated('I7', `agent ${this.number} runs more than ${this.config.slots} tasks`)
    }
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'send':
        if (effect.message.type === 'agent.hello') this.#checkHello(effect.message.running)
        this.say(effect.message)
        break
      case 'startTask': {
        const grant = grantOf(effect.granted)
        this.runs.set(grantKey(grant), { grant, startedMs: this.#world.nowMs, isAborting: false })
        this.#world.count('runs')
        break
      }
      case 'abortTask': {
        const run = this.runs.get(grantKey(effect.grant))
        if (run !== undefined) run.isAborting = true
        break
      }
      case 'saveResult':
        this.files.set(grantKey(effect.result), effect.result)
        break
      case 'forgetResult':
        this.files.delete(grantKey(effect.result))
        break
      case 'postResult':
        this.#post(effect.result)
        break
      case 'performOrder':
        this.orders.perform(effect.order)
        break
      case 'cancelOrder':
        this.orders.cancel(effect.operationId)
        break
      case 'leave':
        this.#leave()
    }
  }

  /** It names all that it runs, and every result that waits for its answer. */
  #checkHello(running: readonly Grant[]): void {
    const named = new Set(running.map(grantKey))
    const { tasks, outbox } = this.session ?? { tasks: new Map(), outbox: new Map() }
    const owed = [
      ...outbox.keys(),
      ...[...tasks].flatMap(([key, { kind }]) => (kind === 'running' ? key : [])),
    ]
    if (owed.some((key) => !named.has(key))) {
      this.#world.violated('resume', `agent ${this.number} says hello and forgets what it has`)
    }
  }

  /** In order: the socket is closed behind what was sent. */
  #leave(): void {
    if (this.link !== null) this.link.socket.isAgentOpen = false
    this.end()
    this.#world.count('agents drained')
  }

  /** The HTTP way: the request, the registry's turn, and the answer's way back each may fail. */
  #post(result: TaskResult): void {
    const world = this.#world
    const life = this.#life
    const { task_id: taskId, fence, outcome } = result
    const name = `post of agent ${this.number} for ${shortGrant(shortOf(taskId), fence)}`
    const posted = (answer: Extract<SessionEvent, { type: 'result.posted' }>['answer']): void => {
      if (this.#life !== life) return
      const grant = grantOf(result)
      this.step({ type: 'result.posted', grant, answer, retryAfterMs: null, random: 0.5 })
    }
    const failed = (): void => posted(null)
    const serve = (): void => {
      if (this.isRevoked) {
        failed()
        return
      }
      world.registry.post(
        { agentId: this.id, taskId, fence, outcome, jobId: world.jobIdOf(taskId) },
        (reply) => {
          const answer = reply === 'accepted' || reply === 'duplicate' || reply === 'gone' ? reply : 'stale'
          world.checkAck(taskId, fence, answer)
          const back = { name: `answer to ${name}`, sentAtMs: world.nowMs, lose: failed, copy: null }
          world.mail.send({ ...back, arrive: () => posted(answer) })
        },
        failed,
      )
    }
    world.mail.send({ name, sentAtMs: world.nowMs, arrive: serve, lose: failed, copy: null })
    world.count('posts')
  }

  #ownMs(nowMs: number): number {
    return Math.floor((nowMs - this.#bootMs) * this.config.rate + 1e-6)
  }
}
