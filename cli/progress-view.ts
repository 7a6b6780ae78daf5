import type { LiveJob } from '#protocol/events.ts'
import type { Io } from './io.ts'
import { bar, renderBars, renderCompact } from './render-bars.ts'
import { renderLines } from './render-lines.ts'
import { cut, printable } from './text.ts'

/** Shows jobs while they run, on stderr. */
export interface ProgressView {
  update(label: string, live: LiveJob): void
  /** Bytes at the server while a recording goes in parts. */
  upload(label: string, receivedBytes: number, totalBytes: number): void
  /** A line that stays. */
  note(line: string): void
  /** The job ended: its last state stays where it is. */
  finish(label: string): void
}

/** `jobCount`: how many jobs this call has; their labels are shown where it is more than one. */
export function progressView(io: Io, jobCount: number): ProgressView {
  return io.canRedraw ? new RedrawnView(io, jobCount) : new PlainView(io, jobCount)
}

class PlainView implements ProgressView {
  readonly #io: Io
  readonly #jobCount: number
  readonly #last = new Map<string, LiveJob>()

  constructor(io: Io, jobCount: number) {
    this.#io = io
    this.#jobCount = jobCount
  }

  update(label: string, live: LiveJob): void {
    for (const line of renderLines(this.#last.get(label) ?? null, live)) this.note(this.#prefix(label) + line)
    this.#last.set(label, live)
  }

  upload(label: string, receivedBytes: number, totalBytes: number): void {
    this.note(`${this.#prefix(label)}uploaded ${Math.floor((receivedBytes / totalBytes) * 100)} %`)
  }

  note(line: string): void {
    this.#io.err(`${printable(line)}\n`)
  }

  finish(label: string): void {
    this.#last.delete(label)
  }

  #prefix(label: string): string {
    return this.#jobCount > 1 ? `${label}: ` : ''
  }
}

/** A block of lines at the end of the output, drawn over at each change; what is finished scrolls away above it. */
class RedrawnView implements ProgressView {
  readonly #io: Io
  readonly #jobCount: number
  readonly #blocks = new Map<string, string[]>()
  #drawnLines = 0

  constructor(io: Io, jobCount: number) {
    this.#io = io
    this.#jobCount = jobCount
  }

  update(label: string, live: LiveJob): void {
    const columns = this.#io.columns()
    const lines =
      this.#jobCount > 1 ? [renderCompact(label, live, columns)] : renderBars(label, live, columns)
    this.#blocks.set(label, lines)
    this.#draw([])
  }

  upload(label: string, receivedBytes: number, totalBytes: number): void {
    const percent = (receivedBytes / totalBytes) * 100
    const line = `${bar(percent)} ${Math.floor(percent)} %  ${label}  upload`
    this.#blocks.set(label, [cut(printable(line), this.#io.columns() - 1)])
    this.#draw([])
  }

  note(line: string): void {
    this.#draw([printable(line)])
  }

  finish(label: string): void {
    const lines = this.#blocks.get(label) ?? []
    this.#blocks.delete(label)
    this.#draw(lines)
  }

  /** `above` stays; then the block of what still runs. */
  #draw(above: readonly string[]): void {
    const block = [...this.#blocks.values()].flat()
    const back = this.#drawnLines > 0 ? `\x1b[${this.#drawnLines}A` : ''
    this.#io.err(`${back}\x1b[J${[...above, ...block].map((line) => `${line}\n`).join('')}`)
    this.#drawnLines = block.length
  }
}
