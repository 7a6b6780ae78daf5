import type { IndexRow } from '#core/job/effects.ts'
import { connectedAt } from '#objects/connected-at.ts'
import { type JobId, jobIdOf, type TaskId } from '#protocol/ids.ts'
import { T0 } from '../core/kit/builders.ts'
import { AgentProcess } from './agent-process.ts'
import { AgentWatch } from './agent-watch.ts'
import type { SimConfig } from './config.ts'
import { JobObject } from './job-object.ts'
import { Mail } from './mail.ts'
import { grantOf, numberOf, shortOf } from './names.ts'
import type { Product } from './product.ts'
import { RegistryObject } from './registry-object.ts'
import type { Told } from './sim-object.ts'
import { Socket } from './socket.ts'

/** The first rule that was broken. */
export interface Violation {
  readonly rule: string
  readonly text: string
}

/** Everything that is simulated, and what stands between its parts. It draws nothing by chance: events say what happens. */
export class World {
  nowMs = T0
  violation: Violation | null = null
  readonly config: SimConfig
  readonly product: Product
  readonly registryMachine: ReturnType<Product['registryMachine']>
  readonly mail = new Mail()
  readonly registry: RegistryObject
  readonly jobs = new Map<number, JobObject>()
  readonly agents: readonly AgentProcess[]
  readonly agentWatch = new AgentWatch(this)
  /** Those of which either end, or a frame, is still there. */
  sockets: Socket[] = []
  /** D1: the newest row of each job. */
  readonly index = new Map<JobId, IndexRow>()
  /** Grants of which a Job accepted a result. */
  readonly accepted = new Set<string>()
  readonly counts = new Map<string, number>()
  #sessions = 0

  constructor(config: SimConfig, product: Product) {
    this.config = config
    this.product = product
    this.registryMachine = product.registryMachine(config.autoPull)
    this.registry = new RegistryObject(this)
    this.agents = config.agents.map((agent, index) => new AgentProcess(this, index + 1, agent))
  }

  jobOf(number: number): JobObject {
    const known = this.jobs.get(number)
    if (known !== undefined) return known
    const job = new JobObject(this, number)
    this.jobs.set(number, job)
    return job
  }

  jobIdOf(taskId: TaskId): JobId {
    return jobIdOf(taskId)
  }

  openSocket(agent: number): Socket {
    this.sockets = this.sockets.filter((socket) => !socket.isOver)
    const open = this.sockets.filter((socket) => socket.agent === agent && socket.isServerOpen)
    const connectedAtMs = connectedAt(this.nowMs, open)
    const socket = new Socket(agent, `session ${++this.#sessions} of agent ${agent}`, connectedAtMs)
    this.sockets.push(socket)
    return socket
  }

  /** Counted from the newest; null where there is none. */
  socketOf(agent: number, nth = 0): Socket | null {
    let seen = 0
    for (let at = this.sockets.length - 1; at >= 0; at--) {
      const socket = this.sockets[at]
      if (socket?.agent === agent && seen++ === nth) return socket
    }
    return null
  }

  /** As store/jobs.ts: a row with a smaller seq never replaces a larger one, nor does any that of a deleted job. */
  saveIndexRow(row: IndexRow): Told<null> {
    const { id } = row.summary
    if ((this.index.get(id)?.seq ?? 0) < row.seq && this.jobs.get(numberOf(id))?.isDeleted !== true) {
      this.index.set(id, row)
    }
    return { ok: true, reply: null }
  }

  /** An agent hears `accepted`, or `duplicate`, only of what its Job accepted. */
  checkAck(taskId: TaskId, fence: number, answer: string): void {
    this.count(`acks ${answer}`)
    if (answer !== 'accepted' && answer !== 'duplicate') return
    const grant = grantOf(shortOf(taskId), fence)
    if (!this.accepted.has(grant)) this.violated('ack', `${grant} is acknowledged, and its job took nothing`)
  }

  count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
  }

  violated(rule: string, text: string): void {
    this.violation ??= { rule, text }
  }

  threw(where: string, cause: unknown): void {
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
    this.violated('threw', `${where}: ${text}`)
  }
}
