import type { OperationId } from '#protocol/ids.ts'
import type { ModelOperationView } from '#protocol/model-order.ts'
import { EVENT_STREAM, Subscribers } from './subscribers.ts'

/** Many agents speak at once; a reader wants to see it move, not each word. */
const PUBLISH_EVERY_MS = 1_000

/** The id of the last event: who comes back with it has seen everything. */
const ENDED = 'ended'

interface Stream {
  readonly subscribers: Subscribers
  /** Runs while something happened that readers have not seen. */
  timer: ReturnType<typeof setTimeout> | null
}

/** Who watches model operations. Each event is the whole view, and the last one counts; the end of the operation ends it. */
export class OperationStreams {
  readonly #streams = new Map<OperationId, Stream>()
  readonly #viewOf: (id: OperationId) => ModelOperationView | null

  constructor(viewOf: (id: OperationId) => ModelOperationView | null) {
    this.#viewOf = viewOf
  }

  /** 404 for one that is not there; 204 for a reader that has seen the end. */
  answer(id: OperationId, request: Request): Response {
    const view = this.#viewOf(id)
    if (view === null) return new Response(null, { status: 404 })
    if (view.state !== 'running' && request.headers.get('last-event-id') === ENDED)
      return new Response(null, { status: 204 })
    return new Response(this.#subscribe(view, request.signal), { headers: EVENT_STREAM })
  }

  #subscribe(view: ModelOperationView, signal: AbortSignal): ReadableStream<Uint8Array> {
    const stream = this.#streams.get(view.id) ?? { subscribers: new Subscribers(), timer: null }
    this.#streams.set(view.id, stream)
    const body = stream.subscribers.subscribe([frameOf(view)], signal)
    if (view.state !== 'running') this.#end(view.id, stream)
    return body
  }

  /** Shown within a second, the end at once. */
  changed(id: OperationId): void {
    const stream = this.#streams.get(id)
    if (stream === undefined) return
    if (this.#viewOf(id)?.state !== 'running') this.#publish(id, stream)
    else stream.timer ??= setTimeout(() => this.#publish(id, stream), PUBLISH_EVERY_MS)
  }

  #publish(id: OperationId, stream: Stream): void {
    if (stream.timer !== null) clearTimeout(stream.timer)
    stream.timer = null
    const view = this.#viewOf(id)
    if (view !== null) stream.subscribers.send(frameOf(view))
    if (view === null || view.state !== 'running' || stream.subscribers.size === 0) this.#end(id, stream)
  }

  #end(id: OperationId, stream: Stream): void {
    this.#streams.delete(id)
    stream.subscribers.closeAll()
  }
}

function frameOf(view: ModelOperationView): string {
  const id = view.state === 'running' ? '' : `id: ${ENDED}\n`
  return `${id}event: operation\ndata: ${JSON.stringify(view)}\n\n`
}
