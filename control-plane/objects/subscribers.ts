import { isTerminalEvent, type JobEvent } from '#protocol/events.ts'

/** Below the 15 s within which a reader may expect a sign of life, and what finds readers that have gone. */
const KEEP_ALIVE_MS = 14_000
/** Chunks that may wait for a slow reader; then it is let go and resumes by id. */
const MAX_WAITING = 256

export const EVENT_STREAM = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
}

const encoder = new TextEncoder()

/** The SSE readers of one job, or of one model operation. The timer lives only while there are readers: it would keep the object awake. */
export class Subscribers {
  readonly #readers = new Map<ReadableStreamDefaultController<Uint8Array>, AbortSignal>()
  #timer: ReturnType<typeof setInterval> | null = null

  /** A stream that begins with `frames` and then carries what is published, until the terminal event. */
  subscribe(frames: readonly string[], signal: AbortSignal): ReadableStream<Uint8Array> {
    let own: ReadableStreamDefaultController<Uint8Array>
    return new ReadableStream<Uint8Array>(
      {
        cancel: () => this.#remove(own),
        start: (controller) => {
          own = controller
          controller.enqueue(encoder.encode(`retry: 2000\n\n${frames.join('')}`))
          this.#readers.set(controller, signal)
          signal.addEventListener('abort', () => this.#remove(controller), { once: true })
          this.#timer ??= setInterval(() => this.#write(encoder.encode(': keep-alive\n\n')), KEEP_ALIVE_MS)
        },
      },
      new CountQueuingStrategy({ highWaterMark: 1 }),
    )
  }

  publish(seq: number | null, event: JobEvent): void {
    this.send(frame(seq, event))
    if (isTerminalEvent(event)) this.closeAll()
  }

  send(text: string): void {
    if (this.#readers.size > 0) this.#write(encoder.encode(text))
  }

  closeAll(): void {
    for (const controller of [...this.#readers.keys()]) {
      closeQuietly(controller)
      this.#remove(controller)
    }
  }

  get size(): number {
    return this.#readers.size
  }

  #write(chunk: Uint8Array): void {
    for (const controller of [...this.#readers.keys()]) {
      if (hasRoom(controller) && enqueueQuietly(controller, chunk)) continue
      closeQuietly(controller)
      this.#remove(controller)
    }
  }

  #remove(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#readers.delete(controller)
    if (this.#readers.size > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }
}

/** One SSE message: one line of JSON, and an id for what is kept. */
export function frame(seq: number | null, event: JobEvent): string {
  const id = seq === null ? '' : `id: ${seq}\n`
  return `${id}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

function hasRoom(controller: ReadableStreamDefaultController<Uint8Array>): boolean {
  return (controller.desiredSize ?? 0) > -MAX_WAITING
}

/** False when the reader went without our being told: its stream is closed or errored. */
function enqueueQuietly(controller: ReadableStreamDefaultController<Uint8Array>, chunk: Uint8Array): boolean {
  try {
    controller.enqueue(chunk)
    return true
  } catch {
    // The stream is closed or errored: the one reason for which enqueue throws.
    return false
  }
}

function closeQuietly(controller: ReadableStreamDefaultController<Uint8Array>): void {
  try {
    controller.close()
  } catch {
    // The reader went first: the stream is closed or errored already.
  }
}
