import { grantedTo } from '#core/registry/state.ts'
import type { AgentProcess } from './agent-process.ts'
import { grantOf, shortOf } from './names.ts'
import type { World } from './world.ts'

/** An agent with a sound connection hears within this that a run of it is over: some extensions, each a little late. */
const ORPHAN_MS = 90_000

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
      for (const task of agent.session?.tasks.values() ?? []) {
        if (task.kind !== 'running') continue
        const key = `${agent.number} ${grantOf(task.grant.task_id, task.grant.fence)}`
        const isHeld = grantedTo(registry.state, agent.id, task.grant) !== null
        if (isHeld || registry.isOut || !isReached(agent)) this.#sinceMs.delete(key)
        else this.#checkOrphan(key, agent, grantOf(shortOf(task.grant.task_id), task.grant.fence))
      }
    }
  }

  #checkOrphan(key: string, agent: AgentProcess, grant: string): void {
    const { nowMs } = this.#world
    const sinceMs = this.#sinceMs.get(key) ?? nowMs
    this.#sinceMs.set(key, sinceMs)
    if (nowMs - sinceMs <= ORPHAN_MS) return
    const text = `agent ${agent.number} runs ${grant} ${nowMs - sinceMs} ms after that was over`
    this.#world.violated('I9', text)
  }
}

function isReached({ isHung, link }: AgentProcess): boolean {
  return !isHung && link !== null && link.isWelcomed && link.socket.isWhole
}
