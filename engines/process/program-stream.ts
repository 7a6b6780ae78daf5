import type { StreamEvent, StreamSession } from '../engine.ts'
import type { ProgramLink } from './program-link.ts'
import { SampleFiles } from './sample-files.ts'

/**
 * Live audio through a program: samples go into files, ranges of them to the program, its events come back. A partial that
 * nobody read yet gives way to the next one, so a slow reader costs no memory but for finished segments.
 */
export class ProgramStream implements StreamSession {
  readonly events: AsyncIterable<StreamEvent>
  readonly #link: ProgramLink
  readonly #id: number
  readonly #graceMs: number
  readonly #files = new SampleFiles()
  readonly #queue = new EventQueue()
  readonly #closed = Promise.withResolvers<void>()
  #isOpen = true

  constructor(link: ProgramLink, model: string | null, language: string | null, graceMs: number) {
    this.#link = link
    this.#graceMs = graceMs
    this.events = this.#queue
    this.#id = link.open(
      { type: 'stream.open', model, language },
      {
        receive: (answer) => {
          if (answer.type === 'stream.event') this.#queue.push(answer.event)
          else if (answer.type === 'stream.closed') this.#end(null)
          else return false
          return true
        },
        fail: (error) => this.#end(error),
      },
    )
  }

  push(samples: Float32Array): void {
    if (!this.#isOpen) return
    this.#link.notify(this.#id, { type: 'stream.push', ...this.#files.append(samples) })
  }

  flush(): void {
    if (this.#isOpen) this.#link.notify(this.#id, { type: 'stream.flush' })
  }

  /** Resolves when the program has said its last of this stream; one that does not is killed after the grace. */
  async close(): Promise<void> {
    if (this.#isOpen) {
      const grace = setTimeout(() => this.#link.kill(), this.#graceMs)
      this.#link.notify(this.#id, { type: 'stream.close' })
      await this.#closed.promise
      clearTimeout(grace)
    }
    this.#files.remove()
  }

  #end(error: Error | null): void {
    this.#isOpen = false
    this.#link.forget(this.#id)
    this.#queue.end(error)
    this.#files.remove()
    this.#closed.resolve()
  }
}

class EventQueue implements AsyncIterable<StreamEvent> {
  #events: StreamEvent[] = []
  #end: { readonly error: Error | null } | null = null
  #wake = Promise.withResolvers<void>()

  push(event: StreamEvent): void {
    if (this.#events.at(-1)?.type === 'partial') this.#events.pop()
    this.#events.push(event)
    this.#wake.resolve()
  }

  /** The first end counts. */
  end(error: Error | null): void {
    this.#end ??= { error }
    this.#wake.resolve()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamEvent> {
    for (;;) {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) yield next
      if (this.#end?.error) throw this.#end.error
      if (this.#end !== null) return
      await this.#wake.promise
      this.#wake = Promise.withResolvers<void>()
    }
  }
}
