import type { ModelOperationView } from '#protocol/model-order.ts'
import type { Io } from './io.ts'
import { bar } from './render-bars.ts'
import { bytes, cut, printable } from './text.ts'

/** Shows a model operation while it runs, on stderr: one bar for all agents and a line for each that is not done. */
export interface OperationView {
  update(operation: ModelOperationView): void
}

type OfAgent = ModelOperationView['agents'][number]

export function operationView(io: Io): OperationView {
  return io.canRedraw ? new RedrawnView(io) : new PlainView(io)
}

/** A line for each change of an agent's state, and for each tenth of all. */
class PlainView implements OperationView {
  readonly #io: Io
  readonly #states = new Map<string, string>()
  #tenth = 0

  constructor(io: Io) {
    this.#io = io
  }

  update(operation: ModelOperationView): void {
    for (const agent of operation.agents) {
      if (this.#states.get(agent.agent_id) === agent.state) continue
      this.#states.set(agent.agent_id, agent.state)
      this.#io.err(`${printable(agentLine(agent))}\n`)
    }
    const percent = percentOf(operation)
    const tenth = Math.floor((percent ?? 0) / 10)
    if (tenth <= this.#tenth) return
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

/** An operation as lines of a terminal. Pure. */
export function operationLines(operation: ModelOperationView): string[] {
  const percent = percentOf(operation)
  const done = percent === null ? '' : ` ${String(percent).padStart(3)} %`
  return [
    `${bar(percent ?? 0)}${done}  ${operation.model_id}  ${amount(operation)}`.trimEnd(),
    ...operation.agents.map((agent) => `  ${agentLine(agent)}`),
  ]
}

function agentLine({ name, state, connected, error, bytes_done, bytes_total }: OfAgent): string {
  if (error !== null) return `${name}  failed: ${error.message}`
  if (!connected && state !== 'completed')
    return `${name}  ${state}, it is not connected: it goes on when it is back`
  const part =
    state === 'pulling' && bytes_total !== null ? `  ${bytes(bytes_done)} of ${bytes(bytes_total)}` : ''
  return `${name}  ${state}${part}`
}

function amount({ bytes_done, bytes_total }: ModelOperationView): string {
  if (bytes_total === 0) return ''
  return bytes_total === null ? bytes(bytes_done) : `${bytes(bytes_done)} of ${bytes(bytes_total)}`
}

/** What needs no download is done or not. */
function percentOf({ bytes_done, bytes_total, state }: ModelOperationView): number | null {
  if (state === 'completed') return 100
  if (bytes_total === null || bytes_total === 0) return null
  return Math.floor((100 * bytes_done) / bytes_total)
}
