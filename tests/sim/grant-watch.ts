import type { Step } from '#core/machine.ts'
import type { RegistryEffect, TrackedEffect } from '#core/registry/effects.ts'
import type { RegistryInput, RegistryReply } from '#core/registry/input.ts'
import { grantedTo, type RegistryState } from '#core/registry/state.ts'
import { DEFAULTS } from '#core/settings.ts'
import type { AgentId, TaskId } from '#protocol/ids.ts'
import { grantOf, numberOf, shortOf } from './names.ts'
import type { World } from './world.ts'

export type RegistryStep = Step<RegistryState, RegistryEffect, RegistryReply>

type FromAgent = Extract<RegistryInput, { type: 'agent.message' }>

/** What became of one (task, fence) that was granted. */
interface Granted {
  readonly agentId: AgentId
  readonly atMs: number
  /** From when its lease counts: the last extension that arrived, or the one restart after a load. */
  leaseFromMs: number
  /** When the holder first spoke for it, since the grant or the last load. */
  spokeMs: number | null
  /** A load began the lease anew and nobody spoke since. */
  isRestarted: boolean
  /** A load came between: whether it had started is forgotten. */
  wasReloaded: boolean
}

const SHORTEST_RUN_LIMIT_MS = DEFAULTS.runLimitFloorMs

/** Every grant there ever was: it is given once, lasts as long as its holder speaks for it, and no longer. */
export class GrantWatch {
  readonly #world: World
  readonly #grants = new Map<string, Granted>()
  /** Taken back by their Job. */
  readonly #cancelled = new Set<string>()

  constructor(world: World) {
    this.#world = world
  }

  /** Who was ever granted it; null where nobody was. */
  holderOf(taskId: TaskId, fence: number): AgentId | null {
    return this.#grants.get(grantOf(taskId, fence))?.agentId ?? null
  }

  cancelled(taskId: TaskId, fence: number): void {
    this.#cancelled.add(grantOf(taskId, fence))
  }

  /** Leases begin anew, once: from when their holders were last heard of, as far as that is known. */
  loaded(state: RegistryState): void {
    for (const [key, granted] of this.#grants) {
      granted.wasReloaded = true
      granted.spokeMs = null
      if (granted.isRestarted || !this.#isHeld(state, key, granted)) continue
      const holder = state.agents.get(granted.agentId)
      const pongMs = holder?.session === null ? undefined : this.#world.registry.pongs.get(granted.agentId)
      granted.leaseFromMs = Math.max(holder?.lastSeenMs ?? 0, pongMs ?? 0)
      granted.isRestarted = true
    }
  }

  /** Words that reached the registry over the agent's own session. */
  heard(input: FromAgent, { state, effects }: RegistryStep): void {
    const { agentId, message } = input
    if (state.agents.get(agentId)?.session?.id !== input.sessionId) return
    const spoke = (taskId: TaskId, fence: number, isExtension: boolean): void => {
      const granted = this.#grants.get(grantOf(taskId, fence))
      if (granted?.agentId !== agentId) return
      if (grantedTo(state, agentId, { task_id: taskId, fence }) === null) return
      granted.spokeMs ??= this.#world.nowMs
      granted.isRestarted = false
      if (isExtension) granted.leaseFromMs = this.#world.nowMs
    }
    if (message.type === 'agent.hello') {
      // Only the first one of a session is heard.
      if (!effects.some((effect) => effect.type === 'send' && effect.message.type === 'agent.welcome')) return
      for (const { task_id, fence } of message.running) spoke(task_id, fence, true)
    } else if (message.type === 'lease.extend') {
      for (const { task_id, fence } of message.leases) spoke(task_id, fence, true)
    } else if (message.type === 'task.started' || message.type === 'task.progress') {
      spoke(message.task_id, message.fence, false)
    }
  }

  granted(agentId: AgentId, { task_id, fence }: { readonly task_id: TaskId; readonly fence: number }): void {
    const key = grantOf(task_id, fence)
    const before = this.#grants.get(key)
    if (before !== undefined) {
      const [first, second] = [numberOf(before.agentId), numberOf(agentId)]
      const grant = grantOf(shortOf(task_id), fence)
      this.#violated('I3', `granted ${grant} to agent ${first} and again to agent ${second}`)
    }
    if (this.#cancelled.has(key)) {
      this.#violated('I9', `granted ${grantOf(shortOf(task_id), fence)} after its Job took it back`)
    }
    this.#world.count('grants')
    const { nowMs: atMs } = this.#world
    const fresh = { spokeMs: null, isRestarted: false, wasReloaded: false }
    this.#grants.set(key, { agentId, atMs, leaseFromMs: atMs, ...fresh })
  }

  /** A lease ends after its full length of silence; a grant that was not begun, a little earlier. */
  expired({ taskId, fence, error }: Extract<TrackedEffect, { type: 'job.lost' }>): void {
    const granted = this.#grants.get(grantOf(taskId, fence))
    if (granted === undefined) return
    const { nowMs } = this.#world
    const { leaseMs, startMs } = DEFAULTS
    const isSilent = nowMs - granted.leaseFromMs >= leaseMs
    const isUnbegun = granted.spokeMs === null && !granted.wasReloaded && nowMs - granted.atMs >= startMs
    const ranTooLong =
      error.code === 'run_limit' && nowMs - (granted.spokeMs ?? nowMs) >= SHORTEST_RUN_LIMIT_MS
    if (isSilent || isUnbegun || ranTooLong) return
    const silentMs = nowMs - granted.leaseFromMs
    this.#violated('lease', `${grantOf(shortOf(taskId), fence)} was lost after ${silentMs} ms of silence`)
  }

  /** An agent that comes back with a task, or with its result, keeps it. */
  lostAtHello({ message }: FromAgent, { taskId, fence }: Extract<TrackedEffect, { type: 'job.lost' }>): void {
    if (message.type !== 'agent.hello') return
    const isThere = message.running.some((one) => one.task_id === taskId && one.fence === fence)
    if (isThere) this.#violated('resume', `${grantOf(shortOf(taskId), fence)} is lost, and its agent has it`)
  }

  /** Nothing is held longer than its lease. */
  check(state: RegistryState): void {
    for (const tasks of state.held.values()) {
      for (const taskId of tasks) {
        const placement = state.placements.get(taskId)
        if (placement?.at !== 'granted') continue
        const { fence } = placement.dispatch
        const granted = this.#grants.get(grantOf(taskId, fence))
        if (granted === undefined || this.#world.nowMs - granted.leaseFromMs < DEFAULTS.leaseMs) continue
        this.#violated('lease', `${grantOf(shortOf(taskId), fence)} is held, and its lease is over`)
      }
    }
  }

  #isHeld(state: RegistryState, key: string, { agentId }: Granted): boolean {
    const placement = state.placements.get(taskIn(key))
    return placement?.at === 'granted' && placement.agentId === agentId && keyOf(placement.dispatch) === key
  }

  #violated(rule: string, text: string): void {
    this.#world.violated(rule, `registry: ${text}`)
  }
}

function keyOf({ taskId, fence }: { readonly taskId: TaskId; readonly fence: number }): string {
  return grantOf(taskId, fence)
}

function taskIn(key: string): TaskId {
  // The part before the mark is the task id that grantOf was given.
  return key.slice(0, key.indexOf('#')) as TaskId
}
