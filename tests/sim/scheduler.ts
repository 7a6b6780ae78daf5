import { isTerminal } from '#protocol/job.ts'
import { seeded } from '../kit/seeded.ts'
import type { AgentProcess, Run } from './agent-process.ts'
import { JOB_SHAPES } from './config.ts'
import { CUTS, ENGINE_NEWS, LIES, type SimEvent } from './event.ts'
import type { JobObject } from './job-object.ts'
import type { Message } from './mail.ts'
import { shortOf } from './names.ts'
import { OrderChoices } from './order-choices.ts'
import { Pace } from './pace.ts'
import type { World } from './world.ts'

/** How much of everything a seed brings: some are calm, some are rough in one way, some in all. */
const LEVELS = [0, 0.2, 1, 4] as const
const MOST_OPEN_JOBS = 14

type Choice = readonly [upTo: number, pick: () => SimEvent | null]

/** Chooses what happens next, by the seed alone, from what can happen in the world now. */
export class Scheduler {
  readonly #world: World
  readonly #random: () => number
  readonly #pace: Pace
  readonly #orders: OrderChoices
  readonly #openJobs: number
  /** How soon what is away or hangs is back. */
  readonly #patience: number
  /** How often messages keep their order. */
  readonly #order: number
  readonly #choices: readonly Choice[]
  readonly #total: number
  #submitted = 0
  #open: JobObject[] = []
  #ended: JobObject[] = []

  constructor(world: World, seed: number) {
    this.#world = world
    this.#random = seeded(seed ^ 0x5eed)
    this.#pace = new Pace(world, this.#random)
    this.#orders = new OrderChoices(world, this.#random)
    this.#patience = this.#random() < 0.7 ? 0.3 : 0.02
    this.#order = this.#pick([0.9, 0.6, 0.2]) ?? 0.6
    this.#openJobs = 1 + this.#below(MOST_OPEN_JOBS)
    let total = 0
    this.#choices = this.#weigh().map(([weight, pick]) => {
      total += weight
      return [total, pick]
    })
    this.#total = total
  }

  next(): SimEvent {
    for (;;) {
      const mark = this.#random() * this.#total
      const choice = this.#choices.find(([upTo]) => mark < upTo)
      const event = choice?.[1]() ?? null
      if (event !== null) return event
    }
  }

  #weigh(): Choice[] {
    const level = (): number => LEVELS[this.#below(LEVELS.length)] ?? 1
    return [
      [30, () => this.#deliver()],
      [30, () => this.#frame()],
      [25, () => this.#pace.due()],
      [12, () => this.#pace.time(this.#jobs())],
      [this.#pick([1, 4, 10]) ?? 4, () => this.#engine()],
      [5, () => this.#comeBack()],
      [4, () => this.#submit()],
      [2, () => this.#reader()],
      [0.5, () => this.#notice()],
      [0.1, () => this.#loadModel()],
      [2 * level(), () => this.#message('drop')],
      [1 * level(), () => this.#message('double')],
      [0.3 * level(), () => this.#cut()],
      [0.8 * level(), () => this.#crash()],
      [0.3 * level(), () => this.#objectEvent('evict')],
      [0.1 * level(), () => this.#objectEvent('save fails')],
      [0.06 * level(), () => this.#outage()],
      [0.02 * level(), () => ({ do: 'deploy' })],
      [0.15 * level(), () => this.#kill()],
      [0.1 * level(), () => this.#agentEvent('hang')],
      [0.05 * level(), () => this.#drain()],
      [0.05 * level(), () => this.#operate()],
      [0.5 * level(), () => this.#lie()],
      [0.3 * level(), () => this.#orders.begin()],
      [0.03 * level(), () => this.#orders.cancel()],
      [this.#pick([0.3, 2, 8]) ?? 2, () => this.#orders.news()],
      [0.1 * level(), () => this.#orders.lie()],
      [0.05 * level(), () => this.#jobEvent('cancel', this.#open)],
      [0.2 * level(), () => this.#jobEvent('delete', [...this.#open, ...this.#ended])],
    ]
  }

  #deliver(): SimEvent | null {
    const message = this.#anyMessage()
    if (message === null) return null
    const event = { do: 'deliver', ...this.#named(message) } as const
    if (!message.name.startsWith('merge ') || this.#random() < 0.85) return event
    return { ...event, as: this.#random() < 0.95 ? 'retryable' : 'terminal' }
  }

  #message(kind: 'drop' | 'double'): SimEvent | null {
    const message = this.#anyMessage()
    const can = kind === 'drop' ? message?.lose : message?.copy
    return message === null || can === null ? null : { do: kind, ...this.#named(message) }
  }

  /** The oldest, as often as the seed keeps order; else any. */
  #anyMessage(): Message | null {
    const { inFlight } = this.#world.mail
    return (this.#random() < this.#order ? inFlight[0] : inFlight[this.#below(inFlight.length)]) ?? null
  }

  #named(message: Message): { readonly message: string; readonly nth?: number } {
    const nth = this.#world.mail.nthOf(message)
    return nth === 0 ? { message: message.name } : { message: message.name, nth }
  }

  #frame(): SimEvent | null {
    return this.#pace.frame(this.#below(this.#world.sockets.length * 2))
  }

  #engine(): SimEvent | null {
    const agent = this.#agent()
    if (!agent.isRunning) return null
    const run = this.#pick([...agent.runs.values()])
    return run === null ? null : this.#engineEvent(agent, run)
  }

  #engineEvent(agent: AgentProcess, { grant }: Run): SimEvent {
    const draw = this.#random()
    const about = {
      do: 'engine',
      agent: agent.number,
      task: shortOf(grant.task_id),
      fence: grant.fence,
    } as const
    if (draw < 0.4) return { ...about, what: 'report', percent: this.#below(101) }
    if (draw < 0.9) return { ...about, what: draw < 0.7 ? 'done' : 'two channels' }
    if (draw < 0.96) return { ...about, what: 'retryable' }
    return { ...about, what: ENGINE_NEWS[3 + this.#below(ENGINE_NEWS.length - 3)] ?? 'done' }
  }

  /** Agents that are away come back, what hangs goes on, what is out is there again. */
  #comeBack(): SimEvent | null {
    const agent = this.#agent()
    if (agent.session === null) return { do: 'start', agent: agent.number }
    if (agent.isHung) return this.#seldom({ do: 'go on', agent: agent.number })
    if (agent.link === null && !this.#world.registry.isOut) return { do: 'dial', agent: agent.number }
    const out = [this.#world.registry, ...this.#open].find(({ isOut }) => isOut)
    return out === undefined ? null : this.#seldom({ do: 'outage', of: out.name, on: false })
  }

  #seldom(event: SimEvent): SimEvent | null {
    return this.#random() < this.#patience ? event : null
  }

  #submit(): SimEvent | null {
    const open = this.#jobs().filter((job) => job.watch.job === null || !isTerminal(job.watch.job.status))
    if (open.length >= this.#openJobs) return null
    const lost = open.find((job) => job.watch.job === null)
    const job = lost?.number ?? ++this.#submitted
    if (lost === undefined) this.#open.push(this.#world.jobOf(job))
    return { do: 'submit', job, shape: this.#below(JOB_SHAPES.length) }
  }

  #reader(): SimEvent | null {
    const job = this.#pick(this.#open)
    if (job === null) return null
    return { do: 'reader', job: job.number, what: this.#random() < 0.7 ? 'comes' : 'goes' }
  }

  /** Often before the welcome, where it is most awkward. */
  #cut(): SimEvent {
    const young = this.#world.agents.find(({ link }) => link !== null && !link.isWelcomed)
    const agent = this.#random() < 0.3 ? (young ?? this.#agent()) : this.#agent()
    return { do: 'cut', agent: agent.number, how: this.#pick(CUTS) ?? 'both' }
  }

  #notice(): SimEvent | null {
    const { sockets } = this.#world
    const socket = this.#pick(sockets)
    if (socket === null || !socket.isServerOpen || !socket.isUpDead) return null
    return { do: 'notice', agent: socket.agent, socket: this.#pace.ageOf(socket) }
  }

  #crash(): SimEvent {
    return { do: 'crash', of: this.#object(), before: this.#below(4) }
  }

  #objectEvent(kind: 'evict' | 'save fails'): SimEvent {
    return { do: kind, of: this.#object() }
  }

  #outage(): SimEvent {
    return { do: 'outage', of: this.#object(), on: true }
  }

  #object(): string {
    return (this.#random() < 0.4 ? null : this.#pick(this.#open))?.name ?? 'registry'
  }

  #kill(): SimEvent {
    const files = this.#random() < 0.7 ? 'kept' : 'lost'
    return { do: 'kill', agent: this.#agent().number, files, silent: this.#random() < 0.3 }
  }

  #agentEvent(kind: 'hang'): SimEvent {
    return { do: kind, agent: this.#agent().number }
  }

  #drain(): SimEvent {
    return { do: 'drain', agent: this.#agent().number, limitMs: this.#below(3) * 20_000 }
  }

  /** The first agent keeps its credential: somebody must be there in the end. */
  #operate(): SimEvent {
    const { number: agent } = this.#agent()
    const draw = this.#random()
    if (draw < 0.4) return { do: 'cordon', agent, on: true }
    if (draw < 0.8) return { do: 'cordon', agent, on: false }
    return draw < 0.9 || agent === 1 ? { do: 'dismiss', agent } : { do: 'revoke', agent }
  }

  #loadModel(): SimEvent {
    return { do: 'load model', agent: this.#agent().number, loaded: this.#random() < 0.5 }
  }

  #lie(): SimEvent | null {
    const job = this.#pick(this.#random() < 0.8 ? this.#open : this.#ended)?.watch.job
    const task = this.#pick([...(job?.tasks.values() ?? [])])
    if (task === null) return null
    const fence = Math.max(1, task.fence + this.#below(3) - 1)
    const about = { agent: this.#agent().number, task: shortOf(task.plan.id), fence }
    return { do: 'lie', lie: this.#pick(LIES) ?? 'result', ...about, n: 1 + this.#below(9) }
  }

  #jobEvent(kind: 'cancel' | 'delete', jobs: readonly JobObject[]): SimEvent | null {
    const job = this.#pick(jobs)
    return job === null ? null : { do: kind, job: job.number }
  }

  /** Those that are not over, alarm and all; the others stay a while, for what comes late. */
  #jobs(): readonly JobObject[] {
    const isOver = (job: JobObject): boolean =>
      job.isDeleted || (job.alarmMs === null && job.watch.job !== null && isTerminal(job.watch.job.status))
    if (this.#open.some(isOver)) {
      this.#ended = [...this.#ended, ...this.#open.filter(isOver)].slice(-10)
      this.#open = this.#open.filter((job) => !isOver(job))
    }
    return this.#open
  }

  #agent(): AgentProcess {
    const agent = this.#pick(this.#world.agents)
    if (agent === null) throw new Error('expected at least one agent')
    return agent
  }

  #pick<Item>(items: readonly Item[]): Item | null {
    return items[this.#below(items.length)] ?? null
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }
}
