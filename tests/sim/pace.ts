import type { SimEvent } from './event.ts'
import type { JobObject } from './job-object.ts'
import type { Socket } from './socket.ts'
import type { World } from './world.ts'

/** How late things may be. A call may come minutes late, but not as late as the registry forgets fences that are over. */
const MAIL_LATE_MS = [200, 2_000, 20_000, 120_000] as const
const FRAME_LATE_MS = 4_000
const TIMER_LATE_MS = 1_500

/** Time, and what time brings: timers that are due, and a clock that leaves nothing behind for too long. */
export class Pace {
  readonly #world: World
  readonly #random: () => number
  readonly #mailLateMs: number
  #jobs: readonly JobObject[] = []

  constructor(world: World, random: () => number) {
    this.#world = world
    this.#random = random
    this.#mailLateMs = MAIL_LATE_MS[Math.floor(random() * MAIL_LATE_MS.length)] ?? 200
  }

  /** The next of one socket's frames that can be delivered, looked for from `from` on. */
  frame(from: number): SimEvent | null {
    const { sockets } = this.#world
    for (let step = 0; step < sockets.length * 2; step++) {
      const at = (from + step) % (sockets.length * 2)
      const socket = sockets[at >> 1]
      const event = socket === undefined ? null : this.#frameOf(socket, at % 2 === 0 ? 'registry' : 'agent')
      if (event !== null) return event
    }
    return null
  }

  ageOf(socket: Socket): number {
    let newer = 0
    for (const other of this.#world.sockets) if (other.agent === socket.agent) newer++
    for (const other of this.#world.sockets) {
      if (other.agent === socket.agent) newer--
      if (other === socket) break
    }
    return newer
  }

  /** A timer that is due. */
  due(): SimEvent | null {
    const { nowMs, agents } = this.#world
    const from = Math.floor(this.#random() * (agents.length + 2))
    for (let step = 0; step < agents.length + 2; step++) {
      const at = (from + step) % (agents.length + 2)
      const object = at === 0 ? this.#world.registry : this.#jobs.find(({ isAlarmDue }) => isAlarmDue)
      if (at <= 1) {
        if (object?.isAlarmDue === true) return { do: 'alarm', of: object.name }
        continue
      }
      const agent = agents[at - 2]
      if (agent === undefined || !agent.isRunning) continue
      if (agent.wakeMs !== null && agent.wakeMs <= nowMs) return { do: 'wake', agent: agent.number }
      if (agent.link !== null && agent.link.dueMs <= nowMs) return { do: 'beat', agent: agent.number }
    }
    return null
  }

  /** Some time; or, where something is as late as it may be, that. */
  time(jobs: readonly JobObject[]): SimEvent {
    this.#jobs = jobs
    const { nowMs, mail } = this.#world
    const oldest = mail.inFlight[0]
    if (oldest !== undefined && nowMs - oldest.sentAtMs >= this.#mailLateMs) {
      return { do: 'deliver', message: oldest.name }
    }
    let room = oldest === undefined ? Number.POSITIVE_INFINITY : oldest.sentAtMs + this.#mailLateMs - nowMs
    for (const socket of this.#world.sockets) {
      for (const to of ['registry', 'agent'] as const) {
        const frame = (to === 'registry' ? socket.up : socket.down)[0]
        const event = frame === undefined ? null : this.#frameOf(socket, to)
        if (frame === undefined || event === null) continue
        if (nowMs - frame.sentAtMs >= FRAME_LATE_MS) return event
        room = Math.min(room, frame.sentAtMs + FRAME_LATE_MS - nowMs)
      }
    }
    const next = this.#nextTimerMs()
    if (next !== null && nowMs - next >= TIMER_LATE_MS) {
      const due = this.due()
      if (due !== null) return due
    }
    if (next !== null) room = Math.min(room, next + TIMER_LATE_MS - nowMs)
    return { do: 'time', ms: Math.max(1, Math.min(room, this.#span(next))) }
  }

  /** Mostly as long as things take that go well; now and then until the next timer, or long. */
  #span(next: number | null): number {
    const untilNextMs = next === null ? 5_000 : next - this.#world.nowMs
    const isBusy = this.#world.mail.inFlight.length > 0 || untilNextMs <= 0
    const draw = this.#random()
    if (isBusy && draw < 0.8) return 1 + Math.floor(this.#random() * 30)
    if (draw < 0.9) return Math.max(1, Math.floor(untilNextMs * (this.#random() < 0.7 ? 1 : this.#random())))
    return 100 + Math.floor(this.#random() * 20_000)
  }

  #nextTimerMs(): number | null {
    let next = Number.POSITIVE_INFINITY
    for (const { wakeMs } of [this.#world.registry, ...this.#jobs]) {
      if (wakeMs !== null && wakeMs < next) next = wakeMs
    }
    for (const agent of this.#world.agents) {
      if (!agent.isRunning) continue
      const { wakeMs, link } = agent
      if (wakeMs !== null && wakeMs < next) next = wakeMs
      if (link !== null && link.dueMs < next) next = Math.ceil(link.dueMs)
    }
    return Number.isFinite(next) ? next : null
  }

  #frameOf(socket: Socket, to: 'registry' | 'agent'): SimEvent | null {
    if (to === 'registry') {
      if (!socket.hasNewsUp || this.#world.registry.isOut) return null
    } else {
      const agent = this.#world.agents[socket.agent - 1]
      if (agent === undefined || !agent.isRunning || agent.link?.socket !== socket || !socket.hasNewsDown)
        return null
    }
    const age = this.ageOf(socket)
    const event = { do: 'frame', agent: socket.agent, to } as const
    return age === 0 ? event : { ...event, socket: age }
  }
}
