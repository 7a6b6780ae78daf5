import type { ModelOperationView } from '#protocol/model-order.ts'
import type { Io } from './io.ts'
import { bar } from './render-bars.ts'
import { bytes, cut, printable } from './text.ts'

/** Shows a model operation while it runs, on stderr: one bar for all agents, and a line for each as far as there is room. */
export interface OperationView {
  update(operation: ModelOperationView): void
}

type OfAgent = ModelOperationView['agents'][number]

/** What is drawn over must fit on the screen; the smallest usual one has 24 lines. */
const MOST_LINES = 20

export function operationView(io: Io): OperationView {
  return io.canRedraw ? new RedrawnView(io) : new PlainView(io)
}

/** A line for each change of an agent, and for each tenth of all where something is fetched. */
class PlainView implements OperationView {
  readonly #io: Io
  readonly #states = new Map<string, string>()
  #tenth = 0

  constructor(io: Io) {
    this.#io = io
  }

  update(operation: ModelOperationView): void {
    for (const agent of operation.agents) {
      const state = `${agent.state} ${agent.connected}`
      if (this.#states.get(agent.agent_id) === state) continue
      this.#states.set(agent.agent_id, state)
      this.#io.err(`${printable(agentLine(agent))}\n`)
    }
    const percent = percentOf(operation)
    const tenth = Math.floor((percent ?? 0) / 10)
    if (tenth <= this.#tenth || !operation.bytes_total) return
    this.#tenth = tenth
    this.#io.err(`${operation.model_id}  ${tenth * 10} %  ${amount(operation)}\n`)
  }
}

class RedrawnView implements OperationView {
  readonly #io: Io
  #drawnLines = 0

  constructor(io: Io) {
    this.#io = io
  }

  update(operation: ModelOperationView): void {
    const columns = this.#io.columns() - 1
    const lines = operationLines(operation).map((line) => cut(printable(line), columns))
    const back = this.#drawnLines > 0 ? `\x1b[${this.#drawnLines}A` : ''
    this.#io.err(`${back}\x1b[J${lines.map((line) => `${line}\n`).join('')}`)
    this.#drawnLines = lines.length
  }
}

/** Whether all that is not done is for agents that are not connected. Pure. */
export function waitsForAbsent({ state, counts, agents }: ModelOperationView): boolean {
  const { completed, failed, cancelled, ...open } = counts
  const openCount = Object.values(open).reduce((sum, count) => sum + count, 0)
  const absent = agents.filter((agent) => !agent.connected && !isOver(agent))
  return state === 'running' && openCount > 0 && absent.length === openCount
}

function isOver({ state }: OfAgent): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled'
}

/** An operation as lines of a terminal. Pure. */
export function operationLines(operation: ModelOperationView): string[] {
  const percent = percentOf(operation)
  const done = percent === null ? '' : ` ${String(percent).padStart(3)} %`
  const shown = shownOf(operation)
  const more = agentCount(operation) - shown.length
  return [
    `${bar(percent ?? 0)}${done}  ${operation.model_id}  ${amount(operation)}`.trimEnd(),
    ...shown.map((agent) => `  ${agentLine(agent)}`),
    ...(more === 0 ? [] : [`  and ${more} more: ${countsOf(operation)} in all`]),
  ]
}

/** All of them; where there are too many, not those that are done. */
function shownOf({ agents }: ModelOperationView): readonly OfAgent[] {
  if (agents.length <= MOST_LINES) return agents
  return agents.filter(({ state }) => state !== 'completed').slice(0, MOST_LINES)
}

function agentCount({ counts }: ModelOperationView): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

function countsOf({ counts }: ModelOperationView): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ')
}

function agentLine(agent: OfAgent): string {
  const { name, state, connected, error, bytes_done, bytes_total } = agent
  if (error !== null) return `${name}  failed: ${error.message}`
  if (!connected && !isOver(agent))
    return `${name}  ${state}, it is not connected: it goes on when it is back`
  const part =
    state === 'pulling' && bytes_total !== null ? `  ${bytes(bytes_done)} of ${bytes(bytes_total)}` : ''
  return `${name}  ${state}${part}`
}

function amount({ bytes_done, bytes_total }: ModelOperationView): string {
  if (bytes_total === 0) return ''
  if (bytes_total === null) return bytes_done === 0 ? '' : bytes(bytes_done)
  return `${bytes(bytes_done)} of ${bytes(bytes_total)}`
}

/** What needs no download is done or not. */
function percentOf({ bytes_done, bytes_total, state }: ModelOperationView): number | null {
  if (state === 'completed') return 100
  if (bytes_total === null || bytes_total === 0) return null
  return Math.min(100, Math.floor((100 * bytes_done) / bytes_total))
}
