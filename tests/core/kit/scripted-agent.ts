import type { AgentMessage, ServerMessage } from '#protocol/agent-messages.ts'
import type { AgentId, TaskId } from '#protocol/ids.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import { aHello, aModel, anEngine, completed, failed, HANDED_BACK } from './builders.ts'
import type { World } from './world.ts'

const SLOTS = 2
const ENGINES = [
  anEngine(),
  anEngine({ id: 'diarizer', stages: ['diarize'] }),
  anEngine({ id: 'ctc', stages: ['transcribe'], needsModel: true, slots: 2, models: [aModel('english')] }),
]

interface Running {
  readonly task_id: TaskId
  readonly fence: number
  n: number
}

/**
 * An agent that does what agents do, and while faults are on also what they must not: it ignores offers, hangs, goes on
 * with what it lost, forgets what it ran, sends results twice and late, and loses its connection at any time.
 */
export class ScriptedAgent {
  readonly id: AgentId
  session: string | null = null
  /** Whether pings are answered: false for a half-open connection. */
  isAnswering = false
  readonly #world: World
  readonly #running = new Map<string, Running>()
  readonly #unacked = new Map<string, Extract<AgentMessage, { type: 'task.result' }>>()
  #connects = 0
  #connectedAtMs = 0
  #lastFrameMs = 0

  constructor(world: World, id: AgentId) {
    this.#world = world
    this.id = id
  }

  connect(): void {
    if (this.session !== null) return
    const { nowMs } = this.#world
    this.session = `${this.id}/${++this.#connects}`
    this.#connectedAtMs = nowMs
    this.#lastFrameMs = nowMs
    this.isAnswering = true
    const grants = [...this.#running.values(), ...this.#unacked.values()]
    const running = grants.map(({ task_id, fence }) => ({ task_id, fence }))
    this.#send(aHello({ slots: SLOTS, engines: ENGINES, running }))
    for (const result of this.#unacked.values()) this.#send(result)
    this.#tick(this.session)
  }

  /** The connection is gone for both sides, or, half open, for the agent alone. */
  cut(): void {
    const { session } = this
    if (session === null) return
    this.session = null
    this.isAnswering = false
    const disconnected = () =>
      this.#world.registry.handle({ type: 'agent.disconnected', agentId: this.id, sessionId: session })
    this.#world.after(this.#world.chance(0.3) ? 90_000 : 20, disconnected)
    if (this.#world.chance(0.2)) this.#running.clear()
    this.#world.after(this.#world.between(100, this.#world.chance(0.2) ? 60_000 : 3_000), () =>
      this.connect(),
    )
  }

  /** Frames of one session arrive in order, until it ends. */
  deliver(session: string | null, message: ServerMessage): void {
    this.#world.after(this.#latency(), () => {
      if (session !== null && session === this.session) this.#receive(message)
    })
  }

  #receive(message: ServerMessage): void {
    const { chance } = this.#bound
    switch (message.type) {
      case 'agent.welcome': {
        const resumed = new Set(message.resume.map(keyOf))
        if (!chance(0.2))
          for (const key of this.#running.keys()) if (!resumed.has(key)) this.#running.delete(key)
        break
      }
      case 'task.offer': {
        const { task_id, fence } = message
        if (chance(0.1)) break
        if (chance(0.1) || this.#running.size >= SLOTS) {
          this.#send({ type: 'task.decline', task_id, fence, reason: 'full' })
        } else {
          this.#send({ type: 'task.accept', task_id, fence })
          if (chance(0.1)) this.#send({ type: 'task.accept', task_id, fence })
        }
        break
      }
      case 'task.granted':
        this.#begin({ task_id: message.task_id, fence: message.fence, n: 0 })
        break
      case 'task.cancel':
        // A zombie goes on.
        if (!chance(0.1)) this.#running.delete(keyOf(message))
        break
      case 'lease.extended':
        if (!chance(0.1)) for (const grant of message.lost) this.#running.delete(keyOf(grant))
        break
      case 'task.ack':
        this.#unacked.delete(keyOf(message))
    }
  }

  #begin(grant: Running): void {
    const { chance } = this.#bound
    const key = keyOf(grant)
    if (this.#running.has(key) || this.#unacked.has(key) || chance(0.05)) return
    this.#running.set(key, grant)
    const { task_id, fence } = grant
    if (!chance(0.1)) this.#send({ type: 'task.started', task_id, fence })
    const isHung = chance(0.05)
    if (isHung) {
      this.#world.after(40_000, () => this.#running.delete(key))
      return
    }
    const runMs = this.#world.between(200, chance(0.2) ? 60_000 : 5_000)
    this.#world.after(runMs, () => {
      if (!this.#running.delete(key)) return
      this.#finish({ type: 'task.result', task_id, fence, outcome: this.#outcome(task_id, fence) })
    })
  }

  #finish(result: Extract<AgentMessage, { type: 'task.result' }>): void {
    this.#unacked.set(keyOf(result), result)
    this.#send(result)
    if (this.#world.chance(0.1)) this.#world.after(15_000, () => this.#send(result))
  }

  #outcome(task: TaskId, fence: number): TaskOutcome {
    const { chance } = this.#bound
    if (chance(0.1)) return failed(true)
    if (chance(0.02)) return failed(false)
    return chance(0.1) ? HANDED_BACK : completed(task, fence)
  }

  /** Once in 2.5 s: leases, progress, results without an answer; and now and then the line breaks. */
  #tick(session: string): void {
    this.#world.after(2_500, () => {
      if (this.session !== session) return
      if (this.#world.chance(0.03)) {
        this.cut()
        return
      }
      const leases = [...this.#running.values(), ...this.#unacked.values()].map(({ task_id, fence }) => ({
        task_id,
        fence,
      }))
      if (leases.length > 0 && !this.#world.chance(0.3)) this.#send({ type: 'lease.extend', leases })
      for (const running of this.#running.values()) {
        const { task_id, fence } = running
        const progress = { percent: this.#world.between(0, 101), message: null }
        this.#send({ type: 'task.progress', task_id, fence, n: ++running.n, progress, partial: null })
      }
      for (const result of this.#unacked.values()) this.#send(result)
      this.#tick(session)
    })
  }

  #send(message: AgentMessage): void {
    const { session } = this
    if (session === null) return
    const connectedAtMs = this.#connectedAtMs
    this.#world.after(this.#latency(), () => {
      // What was sent over a connection that broke may be lost with it.
      if (session !== this.session && this.#world.chance(0.5)) return
      const from = { agentId: this.id, name: this.id, sessionId: session, connectedAtMs }
      this.#world.registry.handle({ type: 'agent.message', ...from, message })
    })
  }

  #latency(): number {
    const { nowMs } = this.#world
    this.#lastFrameMs = Math.max(this.#lastFrameMs, nowMs + this.#world.between(1, 20))
    return this.#lastFrameMs - nowMs
  }

  get #bound() {
    return { chance: (probability: number) => this.#world.chance(probability) }
  }
}

function keyOf(grant: { readonly task_id: string; readonly fence: number }): string {
  return `${grant.task_id}#${grant.fence}`
}
