import { createParser } from 'eventsource-parser'
import { html } from '#fragments/html.ts'
import { type JobPart, type JobParts, type JobVisit, jobParts, jobTitle } from '#fragments/job.ts'
import { foldEvent, JobEvent, type LiveJob } from '#protocol/events.ts'
import { isTerminal } from '#protocol/job.ts'

/**
 * Turns the JSON event stream of one job into the stream that the job page reads: after each chunk of events the parts
 * of the page that changed, as htmx partials under their ids. Ends with the event `end` once the job has ended; a stream
 * that stops without it is a disconnect, and the page connects again.
 */
export interface LiveOptions {
  readonly visit: Omit<JobVisit, 'nowMs'>
  readonly nowMs: () => number
  /** Fires when the visitor has gone. */
  readonly signal: AbortSignal
}

/** The id of the last message: who comes back with it has seen everything. */
export const END_ID = 'end'
/** Bars and waiting times grow between events too. A part that did not change is not sent. */
const TICK_MS = 1000
/** Messages that may wait for a slow reader before ticks are left out; events never are. */
const QUEUED_MESSAGES = 16

export function liveFragments(options: LiveOptions): TransformStream<Uint8Array, Uint8Array> {
  const encoder = new TextEncoder()
  const decoder = new TextDecoder()
  const page = new LivePage(options)
  const parser = createParser({
    onEvent: (message) => page.take(JobEvent.parse(JSON.parse(message.data)), message.id),
    onComment: () => page.keepAlive(),
  })
  let stop = () => {}
  return new TransformStream<Uint8Array, Uint8Array>(
    {
      start(controller) {
        const ticking = setInterval(() => {
          const text = (controller.desiredSize ?? 0) > 0 ? page.changes() : ''
          if (text !== '') controller.enqueue(encoder.encode(text))
        }, TICK_MS)
        stop = () => clearInterval(ticking)
        options.signal.addEventListener('abort', stop, { once: true })
      },
      transform(chunk, controller) {
        try {
          parser.feed(decoder.decode(chunk, { stream: true }))
          const text = page.changes()
          if (text !== '') controller.enqueue(encoder.encode(text))
        } catch (cause) {
          stop()
          throw new Error('An event of the job could not be read', { cause })
        }
        if (!page.ended) return
        stop()
        controller.terminate()
      },
      flush: () => stop(),
      cancel: () => stop(),
    },
    undefined,
    { highWaterMark: QUEUED_MESSAGES },
  )
}

/** What one open page has been told, against what is true by now. */
class LivePage {
  readonly #options: LiveOptions
  #live: LiveJob | null = null
  #eventId: string | null = null
  #sent: ReadonlyMap<JobPart, string> = new Map()
  #comment = ''
  ended = false

  constructor(options: LiveOptions) {
    this.#options = options
  }

  take(event: JobEvent, eventId: string | undefined): void {
    this.#live = foldEvent(this.#live, event)
    this.#eventId = eventId ?? this.#eventId
  }

  keepAlive(): void {
    this.#comment = ': keep-alive\n\n'
  }

  /** The messages that bring the page up to date; empty when it is. */
  changes(): string {
    const comment = this.#comment
    this.#comment = ''
    if (this.#live === null || this.ended) return comment
    const { visit, nowMs } = this.#options
    const { job } = this.#live
    const parts = markupOf(jobParts(this.#live, { ...visit, nowMs: nowMs() }, null))
    const changed = [...parts].filter(([part, markup]) => this.#sent.get(part) !== markup)
    this.#sent = parts
    this.ended = isTerminal(job.status)
    const id = this.ended ? END_ID : this.#eventId
    const title = html`<title>${jobTitle(job)} – Dalston</title>`.markup
    const partials = changed.map(([part, markup]) => partial(part, markup)).join('')
    if (this.ended) return `${sseMessage(title + partials, id)}event: end\ndata: ${job.status}\n\n`
    return changed.length === 0 ? comment : sseMessage(title + partials, id)
  }
}

function markupOf(parts: JobParts): ReadonlyMap<JobPart, string> {
  return new Map([...parts].map(([part, content]) => [part, content.markup]))
}

/** Morphing keeps what the visitor focuses, selects and has opened. */
function partial(part: JobPart, markup: string): string {
  return `<hx-partial hx-target="#${part}" hx-swap="outerMorph">${markup}</hx-partial>`
}

function sseMessage(data: string, id: string | null): string {
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`)
  return `${id === null ? '' : `id: ${id}\n`}${lines.join('')}\n`
}
