import { grantedTo } from '#core/registry/state.ts'
import type { AgentProcess } from './agent-process.ts'
import { grantOf, shortOf } from './names.ts'
import type { World } from './world.ts'

/** An agent with a sound connection hears within this that a run of it is over: some extensions, each a little late. */
const ORPHAN_MS = 90_000
/** What is later than this counts as not coming at all. */
export const LATE_MS = 6_000

/** Runs that the registry no longer counts as their agent's, and since when it could have been told. */
export class AgentWatch {
  readonly #world: World
  readonly #sinceMs = new Map<string, number>()

  constructor(world: World) {
    this.#world = world
  }

  check(): void {
    const { registry } = this.#world
    if (registry.state === null) return
    for (const agent of this.#world.agents) {
      this.#checkAsked(agent, registry.state.agents.get(agent.id)?.missedAtMs ?? 0)
      for (const task of agent.session?.tasks.values() ?? []) {
        if (task.kind !== 'running') continue
        const key = `${agent.number} ${grantOf(task.grant.task_id, task.grant.fence)}`
        const isHeld = grantedTo(registry.state, agent.id, task.grant) !== null
        if (isHeld || registry.isOut || !isReached(this.#world, agent)) this.#sinceMs.delete(key)
        else this.#checkOrphan(key, agent, grantOf(shortOf(task.grant.task_id), task.grant.fence))
      }
    }
  }

  /** An agent that let an offer pass and is there again is asked again. */
  #checkAsked(agent: AgentProcess, missedAtMs: number): void {
    const { nowMs, registry } = this.#world
    const key = `${agent.number} missed ${missedAtMs}`
    const record = registry.state?.agents.get(agent.id)
    const isLeft = missedAtMs > 0 && (record?.quietUntilMs ?? 0) > 0 && registry.state?.queues.size !== 0
    if (!isLeft || registry.isOut || !registry.isLoaded || !isReached(this.#world, agent)) {
      this.#sinceMs.delete(key)
      return
    }
    const sinceMs = this.#sinceMs.get(key) ?? nowMs
    this.#sinceMs.set(key, sinceMs)
    if (nowMs - sinceMs <= ORPHAN_MS) return
    this.#world.violated(
      'I5',
      `agent ${agent.number} is there, and is no longer asked since it missed an offer`,
    )
  }

  #checkOrphan(key: string, agent: AgentProcess, grant: string): void {
    const { nowMs } = this.#world
    const sinceMs = this.#sinceMs.get(key) ?? nowMs
    this.#sinceMs.set(key, sinceMs)
    if (nowMs - sinceMs <= ORPHAN_MS) return
    const text = `agent ${agent.number} runs ${grant} ${nowMs - sinceMs} ms after that was over`
    this.#world.violated('I9 run', text)
  }
}

/** Its connection is sound, its timers ring, and frames arrive. */
export function isReached({ nowMs }: World, { isHung, link, wakeMs }: AgentProcess): boolean {
  if (isHung || link === null || !link.isWelcomed || !link.socket.isWhole) return false
  const lateMs = nowMs - LATE_MS
  const isOld = ({ sentAtMs }: { readonly sentAtMs: number }) => sentAtMs < lateMs
  return (wakeMs === null || wakeMs > lateMs) && !link.socket.up.some(isOld) && !link.socket.down.some(isOld)
}
