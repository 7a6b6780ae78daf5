import type { Dispatch } from '#core/dispatch.ts'
import type { RegistryEffect } from '#core/registry/effects.ts'
import type { RegistryInput, RegistryReply } from '#core/registry/input.ts'
import { loadRegistry } from '#core/registry/load.ts'
import { emptyRegistry, type RegistryState } from '#core/registry/state.ts'
import { registryMachine } from '#core/registry/step.ts'
import type { RegistryContext } from '#core/registry/turn.ts'
import type { Looking } from '#core/registry/views.ts'
import { DEFAULTS } from '#core/settings.ts'
import type { AgentMessage, ServerMessage } from '#protocol/agent-messages.ts'
import type { AgentId, TaskId } from '#protocol/ids.ts'
import { aDispatch, agentId, aHello, T0 } from './builders.ts'
import { SavedRecords } from './records.ts'

const CONTEXT: RegistryContext = { settings: DEFAULTS, catalog: { engines: [], models: [] } }

/** One registry machine with its clock and its disk. Sessions are `s1`, `s2` … of agents 1, 2 …, unless named. */
export class RegistryRun {
  state: RegistryState = emptyRegistry()
  nowMs = T0
  readonly records = new SavedRecords()
  /** Empty: agents ping too rarely to tell by. */
  readonly pongs = new Map<AgentId, number>()
  /** Of the last step. */
  effects: readonly RegistryEffect[] = []
  readonly #machine: ReturnType<typeof registryMachine>

  constructor(context: Partial<RegistryContext> = {}) {
    this.#machine = registryMachine({ ...CONTEXT, ...context })
  }

  tell(input: RegistryInput): RegistryReply {
    const step = this.#machine.step(this.state, input, this.nowMs)
    this.state = step.state
    this.records.write(step.changes)
    this.effects = step.effects
    return step.reply
  }

  /** Evicted and loaded; `connected` are the sessions whose sockets hibernated. */
  reload(...connected: string[]): void {
    const { state, changes } = loadRegistry(
      this.records.read(),
      new Set(connected),
      this.nowMs,
      DEFAULTS.leaseMs,
      this.pongs.size === 0 ? null : this.pongs,
    )
    this.state = state
    this.records.write(changes)
  }

  wakeAfter(ms: number, ...alive: number[]): void {
    this.nowMs += ms
    for (const number of alive) this.pongs.set(agentId(number), this.nowMs)
    this.tell({ type: 'wake', pongs: this.pongs })
  }

  hello(number = 1, parts: Parameters<typeof aHello>[0] = {}, sessionId = `s${number}`): void {
    this.says(number, aHello(parts), sessionId)
  }

  says(number: number, message: AgentMessage, sessionId = `s${number}`, connectedAtMs = this.nowMs): void {
    const name = `box-${number}`
    this.tell({ type: 'agent.message', agentId: agentId(number), name, sessionId, connectedAtMs, message })
  }

  enqueue(parts: Partial<Dispatch> = {}): RegistryReply {
    return this.tell({ type: 'enqueue', dispatch: aDispatch(parts) })
  }

  accept(number: number, task: TaskId, fence = 1): void {
    this.says(number, { type: 'task.accept', task_id: task, fence })
  }

  start(number: number, task: TaskId, fence = 1): void {
    this.says(number, { type: 'task.started', task_id: task, fence })
  }

  extend(number: number, task: TaskId, fence = 1): void {
    this.says(number, { type: 'lease.extend', leases: [{ task_id: task, fence }] })
  }

  disconnect(number: number, sessionId = `s${number}`): void {
    this.tell({ type: 'agent.disconnected', agentId: agentId(number), sessionId })
  }

  /** What agents were sent in the last step, as `type` or `type:agent number`. */
  get sent(): { readonly to: AgentId; readonly message: ServerMessage | { readonly type: string } }[] {
    return this.effects.flatMap((effect) => {
      if (effect.type === 'send' || effect.type === 'send.granted') {
        return { to: effect.agentId, message: effect.message }
      }
      if (effect.type !== 'send.leases') return []
      return { to: effect.agentId, message: { ...effect, type: 'lease.extended' } }
    })
  }

  /** `<message type> → <agent number>`, in order. */
  get said(): string[] {
    return this.sent.map(({ to, message }) => `${message.type} → ${Number(to.slice(6))}`)
  }

  get orders(): string[] {
    return this.effects.flatMap((effect) => (effect.type === 'tracked' ? effect.id : []))
  }

  /** How a view looks at the registry now, or later. */
  looking(afterMs = 0): Looking {
    return { nowMs: this.nowMs + afterMs, pongs: this.pongs, settings: DEFAULTS }
  }

  at(task: TaskId): string {
    const placement = this.state.placements.get(task)
    if (placement === undefined) return this.state.over.has(task) ? 'over' : 'unknown'
    return placement.at === 'queued' ? 'queued' : `${placement.at} ${Number(placement.agentId.slice(6))}`
  }

  get nextWakeMs(): number | null {
    return this.#machine.nextWakeMs(this.state)
  }
}
