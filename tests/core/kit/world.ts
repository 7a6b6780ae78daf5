import type { MergeOrder, TrackedEffect } from '#core/job/effects.ts'
import { fold } from '#core/job/fold.ts'
import type { JobInput, JobReply } from '#core/job/input.ts'
import { factsFrom, loadJob } from '#core/job/load.ts'
import { type JobMachineState, type JobState, NO_JOB } from '#core/job/state.ts'
import { jobMachine } from '#core/job/step.ts'
import { jobView } from '#core/job/view.ts'
import type { RegistryEffect } from '#core/registry/effects.ts'
import type { RegistryInput, RegistryReply } from '#core/registry/input.ts'
import { loadRegistry } from '#core/registry/load.ts'
import { classOf, emptyRegistry, type RegistryState } from '#core/registry/state.ts'
import { registryMachine } from '#core/registry/step.ts'
import { DEFAULTS } from '#core/settings.ts'
import type { ServerMessage } from '#protocol/agent-messages.ts'
import type { AgentId, JobId, TaskId } from '#protocol/ids.ts'
import { isTerminal } from '#protocol/job.ts'
import { seeded } from '../../kit/seeded.ts'
import { agentId, aJob, completed, failed, jobId, T0 } from './builders.ts'
import { SavedRecords } from './records.ts'
import { ScriptedAgent } from './scripted-agent.ts'

const jobs = jobMachine()
const registry = registryMachine({ settings: DEFAULTS, catalog: { engines: [], models: [] } })

/**
 * A world of Jobs, one Registry and scripted agents on a virtual clock. While faults are on, calls between objects are
 * lost, doubled, late and out of order, objects are evicted between any two steps, also after a save and before its
 * effects, and agents break, hang, lie and reconnect. Everything follows from the seed.
 */
export class World {
  nowMs = T0
  faults = true
  readonly random: () => number
  readonly agents: ScriptedAgent[]
  readonly jobs = new Map<JobId, JobObject>()
  readonly registry: RegistryObject
  /** The last things that happened, for whoever reads a failure. */
  readonly story: string[] = []
  readonly #queue: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = []
  #order = 0

  constructor(seed: number, agents: number) {
    this.random = seeded(seed)
    this.registry = new RegistryObject(this)
    this.agents = Array.from({ length: agents }, (_, index) => new ScriptedAgent(this, agentId(index + 1)))
    for (const agent of this.agents) agent.connect()
  }

  submit(number: number): void {
    const job = new JobObject(this, jobId(number))
    this.jobs.set(jobId(number), job)
    const speakerDetection = this.random() < 0.3 ? 'diarize' : 'none'
    job.handle({ type: 'create', spec: aJob({ id: jobId(number), speakerDetection }) })
  }

  chance(probability: number): boolean {
    return this.faults && this.random() < probability
  }

  between(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low))
  }

  after(ms: number, run: () => void): void {
    this.#queue.push({ atMs: this.nowMs + ms, order: this.#order++, run })
  }

  /** A call to another object: it may be lost, come twice or late; so may its answer, which is lost with its caller. */
  call(send: () => void): void {
    if (this.chance(0.1)) return
    this.after(this.delay(), send)
    if (this.chance(0.1)) this.after(this.delay() + this.between(0, 20_000), send)
  }

  delay(): number {
    return this.chance(0.05) ? this.between(0, 10_000) : this.between(1, 20)
  }

  note(text: string): void {
    this.story.push(`${((this.nowMs - T0) / 1000).toFixed(1)} s ${text}`)
    if (this.story.length > 60) this.story.shift()
  }

  /** Runs until the clock shows `untilMs`, or `done`. */
  run(untilMs: number, done: () => boolean = () => false): void {
    while (!done()) {
      let first = 0
      for (const [index, entry] of this.#queue.entries()) {
        const best = this.#queue[first]
        if (
          best === undefined ||
          entry.atMs < best.atMs ||
          (entry.atMs === best.atMs && entry.order < best.order)
        ) {
          first = index
        }
      }
      const [next] = this.#queue.splice(first, 1)
      if (next === undefined || next.atMs > untilMs) {
        if (next !== undefined) this.#queue.push(next)
        break
      }
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.run()
    }
    this.nowMs = Math.max(this.nowMs, Math.min(untilMs, this.nowMs))
  }

  get isOver(): boolean {
    return [...this.jobs.values()].every((job) => job.isOver)
  }
}

/** What the shared loop does for an object: one alarm, armed when earlier than the one set or when that has fired. */
abstract class SimulatedObject {
  protected readonly world: World
  protected readonly records = new SavedRecords()
  /** Calls made before an eviction get no answer after it. */
  protected life = 0
  #armedMs: number | null = null

  constructor(world: World) {
    this.world = world
  }

  abstract wake(): void
  protected abstract reload(): void

  protected maybeEvict(probability: number): boolean {
    if (!this.world.chance(probability)) return false
    this.life++
    this.reload()
    return true
  }

  protected arm(wakeMs: number | null): void {
    if (wakeMs === null || (this.#armedMs !== null && wakeMs >= this.#armedMs)) return
    const atMs = Math.max(wakeMs, this.world.nowMs + 1)
    this.#armedMs = atMs
    this.world.after(atMs - this.world.nowMs, () => {
      if (this.#armedMs !== atMs) return
      this.#armedMs = null
      this.maybeEvict(0.3)
      this.wake()
    })
  }
}

export class JobObject extends SimulatedObject {
  state: JobMachineState = NO_JOB
  readonly accepted = new Map<TaskId, number>()
  #percent = 0
  #seq = 0
  readonly #id: JobId
  readonly #merging = new Set<string>()

  constructor(world: World, id: JobId) {
    super(world)
    this.#id = id
  }

  get isOver(): boolean {
    const { job, outbox } = this.state
    return job !== null && isTerminal(job.status) && outbox.size === 0
  }

  wake(): void {
    this.handle({ type: 'wake' })
  }

  handle(input: JobInput): JobReply {
    const before = this.state.job
    const step = jobs.step(this.state, input, this.world.nowMs)
    this.state = step.state
    this.records.write(step.changes)
    this.arm(jobs.nextWakeMs(this.state))
    if (step.reply !== 'ok') this.world.note(`job ${Number(this.#id.slice(4))} ${input.type} → ${step.reply}`)
    if (input.type === 'task.result' && step.reply === 'accepted') this.#noteAccepted(input.taskId)
    this.#check(before)
    // Saved and evicted before anything left.
    if (this.maybeEvict(0.02)) return step.reply
    for (const effect of step.effects) {
      if (
        effect.type === 'publish' ||
        effect.type === 'artifacts.discard' ||
        effect.type === 'registry.ended'
      )
        continue
      if (effect.type === 'registry.inquire') {
        const { taskId, fence } = effect
        this.#ask({ type: 'inquire', taskId, fence }, (placed) =>
          this.handle({ type: 'task.placed', taskId, fence, ...placed }),
        )
        continue
      }
      this.#perform(effect.id, effect.effect)
    }
    return step.reply
  }

  protected reload(): void {
    this.state = loadJob(this.records.read(), this.world.nowMs)
    this.#merging.clear()
  }

  #perform(id: string, effect: TrackedEffect): void {
    const answered = () => this.handle({ type: 'effect.answered', id })
    switch (effect.type) {
      case 'index.save':
        this.world.call(this.#inThisLife(answered))
        break
      case 'registry.enqueue': {
        const { taskId, fence } = effect.dispatch
        this.#ask({ type: 'enqueue', dispatch: effect.dispatch }, (placed) => {
          this.handle({ type: 'task.placed', taskId, fence, ...placed })
          answered()
        })
        break
      }
      case 'registry.cancel': {
        const { taskId, fence } = effect
        this.#ask({ type: 'cancel', taskId, fence, reason: 'cancelled' }, answered)
        break
      }
      case 'merge.run':
        this.#merge(id, effect.merge)
    }
  }

  #merge(id: string, { taskId, fence }: MergeOrder): void {
    if (this.#merging.has(id)) return
    this.#merging.add(id)
    const outcome = this.world.chance(0.2) ? failed(true) : completed(taskId, fence)
    const from = { agentId: null, runner: null }
    const done = this.#inThisLife(() => {
      this.#merging.delete(id)
      this.handle({ type: 'task.result', taskId, fence, outcome, from })
      this.handle({ type: 'effect.answered', id })
    })
    if (!this.world.chance(0.1)) this.world.after(this.world.between(10, 500), done)
    else this.#merging.delete(id)
  }

  #ask(input: RegistryInput, answer: (reply: RegistryReply) => void): void {
    const isAnswered = this.#inThisLife(answer)
    this.world.call(() => {
      const reply = this.world.registry.handle(input)
      if (!this.world.chance(0.1)) this.world.after(this.world.delay(), () => isAnswered(reply))
    })
  }

  #inThisLife<Parameters extends unknown[]>(run: (...parameters: Parameters) => void) {
    const { life } = this
    return (...parameters: Parameters) => {
      if (this.life === life) run(...parameters)
    }
  }

  /** A result that was taken as the task's work, not as a failed run. */
  #noteAccepted(taskId: TaskId): void {
    if (this.state.job?.tasks.get(taskId)?.status !== 'completed') return
    this.accepted.set(taskId, (this.accepted.get(taskId) ?? 0) + 1)
  }

  /** What must hold after every step. */
  #check(before: JobState | null): void {
    const { job, outbox, live } = this.state
    if (job === null) return
    const facts = factsFrom(this.records.read())
    expectThat(
      JSON.stringify(entriesOf(facts.reduce<JobState | null>(fold, null))) === JSON.stringify(entriesOf(job)),
      'the log is the state',
    )
    expectThat(job.seq >= this.#seq && facts.every(({ seq }, index) => seq === index + 1), 'seq has no gap')
    this.#seq = job.seq
    const { overall } = jobView(job, live, this.world.nowMs).progress
    expectThat(overall >= this.#percent, `percent fell from ${this.#percent} to ${overall}`)
    this.#percent = overall
    if (before !== null && isTerminal(before.status)) expectThat(job === before, 'a job that ended changed')
    for (const [task, count] of this.accepted)
      expectThat(count <= 1, `${count} results of ${task} were accepted`)
    if (outbox.size > 0 || !isTerminal(job.status)) {
      expectThat(jobs.nextWakeMs(this.state) !== null, 'an open job has no wake')
    }
  }
}

export class RegistryObject extends SimulatedObject {
  state: RegistryState = emptyRegistry()
  /** Who each fence of each task was granted to, ever. */
  readonly #grants = new Map<string, AgentId>()

  wake(): void {
    const pongs = this.world.agents.flatMap((agent): [AgentId, number][] =>
      agent.isAnswering ? [[agent.id, this.world.nowMs]] : [],
    )
    this.handle({ type: 'wake', pongs: new Map(pongs) })
  }

  handle(input: RegistryInput): RegistryReply {
    const step = registry.step(this.state, input, this.world.nowMs)
    this.state = step.state
    this.records.write(step.changes)
    this.arm(registry.nextWakeMs(this.state))
    for (const effect of step.effects) if (effect.type === 'send.granted') this.#noteGrant(effect)
    this.#check()
    if (this.maybeEvict(0.02)) {
      this.wake()
      return step.reply
    }
    for (const effect of step.effects) this.#perform(effect)
    return step.reply
  }

  protected reload(): void {
    const sessions = this.world.agents.flatMap(({ session }) => session ?? [])
    const { state, changes } = loadRegistry(
      this.records.read(),
      new Set(sessions),
      this.world.nowMs,
      DEFAULTS.leaseMs,
    )
    this.state = state
    this.records.write(changes)
    this.#check()
  }

  #perform(effect: RegistryEffect): void {
    const { world } = this
    switch (effect.type) {
      case 'send':
        this.#send(effect.agentId, effect.message)
        break
      case 'send.granted':
        this.#send(effect.agentId, { ...effect.message, token: 't' })
        break
      case 'send.leases': {
        const leases = effect.leases.map(({ outputPrefix: _prefix, ...lease }) => ({ ...lease, token: 't' }))
        this.#send(effect.agentId, { type: 'lease.extended', leases, lost: [...effect.lost] })
        break
      }
      case 'close':
        world.agents.find(({ session }) => session === effect.sessionId)?.cut()
        break
      case 'job.progress': {
        const { jobId: job, type: _type, ...progress } = effect
        world.call(() => world.jobs.get(job)?.handle({ type: 'task.progress', ...progress }))
        break
      }
      case 'job.result': {
        const { agentId: agent, taskId, fence, outcome, runner } = effect
        const told = { agentId: agent, taskId, fence, end: 'failed', run: null } as const
        const from = { agentId: agent, runner }
        this.#tell(effect.jobId, { type: 'task.result', taskId, fence, outcome, from }, (answer) =>
          this.handle({ type: 'result.answered', ...told, answer }),
        )
        break
      }
      case 'tracked': {
        if (effect.effect.type === 'job.selected') break
        const { jobId: job, ...told } = effect.effect
        const input: JobInput =
          told.type === 'job.started' ? { ...told, type: 'task.started' } : { ...told, type: 'task.lost' }
        this.#tell(job, input, (answer) => this.handle({ type: 'effect.answered', id: effect.id, answer }))
      }
    }
  }

  #send(id: AgentId, message: ServerMessage): void {
    const session = this.state.agents.get(id)?.session?.id ?? null
    this.world.agents.find((agent) => agent.id === id)?.deliver(session, message)
  }

  #tell(id: JobId, input: JobInput, answered: (answer: JobReply) => void): void {
    const { life } = this
    this.world.call(() => {
      const answer = this.world.jobs.get(id)?.handle(input) ?? 'gone'
      if (this.world.chance(0.1)) return
      this.world.after(this.world.delay(), () => {
        if (this.life === life) answered(answer)
      })
    })
  }

  /** Law 5: a granted fence goes to nobody else. */
  #noteGrant({ agentId: agent, message }: Extract<RegistryEffect, { type: 'send.granted' }>): void {
    const key = `${message.task_id}/${message.fence}`
    const holder = this.#grants.get(key) ?? agent
    expectThat(holder === agent, `${key} was granted to ${holder} and to ${agent}`)
    this.#grants.set(key, agent)
  }

  #check(): void {
    const { state } = this
    for (const [id, placement] of state.placements) {
      const queue = state.queues.get(classOf(placement.dispatch))
      const holder = placement.at === 'queued' ? null : placement.agentId
      expectThat((queue?.has(id) ?? false) === (holder === null), `${id} stands in its queue`)
      for (const [agent, held] of state.held)
        expectThat(held.has(id) === (agent === holder), `${id} is held once`)
      expectThat(!state.over.has(id), `${id} is here and over`)
    }
    for (const [id, held] of state.held) {
      const slots = state.agents.get(id)?.hello.slots ?? 0
      expectThat(held.size <= slots, `${id} holds ${held.size} of ${slots} slots`)
    }
    if (state.outbox.size > 0) expectThat(registry.nextWakeMs(state) !== null, 'the registry has no wake')
  }
}

export function expectThat(holds: boolean, rule: string): void {
  if (!holds) throw new Error(`broken: ${rule}`)
}

function entriesOf(job: JobState | null): unknown {
  return job === null ? null : { ...job, tasks: [...job.tasks] }
}
