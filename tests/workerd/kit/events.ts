import { createParser } from 'eventsource-parser'
import { JobEvent } from '#protocol/events.ts'
import { Inbox } from '#tests/agent/kit/inbox.ts'
import { call, TRANSCRIPTIONS } from './api.ts'
import type { Server } from './server.ts'

export interface Received {
  readonly id: number | null
  readonly event: JobEvent
}

/** One reader of a job's event stream. */
export class EventReader {
  readonly inbox = new Inbox<Received>()
  readonly response: Response
  /** Until the server ended the stream, or the reader went. */
  readonly ended: Promise<void>
  readonly #abort: AbortController

  private constructor(response: Response, abort: AbortController) {
    this.response = response
    this.#abort = abort
    this.ended = this.#read()
    this.ended.catch(() => undefined) // a test that failed before it awaited this has said why
  }

  static async open(server: Server, jobId: string, lastEventId?: number): Promise<EventReader> {
    const abort = new AbortController()
    const headers: Record<string, string> = { authorization: `Bearer ${server.key}` }
    if (lastEventId !== undefined) headers['last-event-id'] = String(lastEventId)
    const url = new URL(`${TRANSCRIPTIONS}/${jobId}/events`, server.url)
    return new EventReader(await fetch(url, { headers, signal: abort.signal }), abort)
  }

  next(type: JobEvent['type']): Promise<Received> {
    return this.inbox.take(type, ({ event }) => event.type === type)
  }

  /** Kept events only. */
  get ids(): number[] {
    return this.inbox.all.flatMap(({ id }) => id ?? [])
  }

  get types(): string[] {
    return this.inbox.all.map(({ event }) => event.type)
  }

  leave(): Promise<void> {
    this.#abort.abort()
    return this.ended
  }

  async #read(): Promise<void> {
    const parser = createParser({
      onEvent: ({ id, event, data }) => {
        const parsed = JobEvent.parse(JSON.parse(data))
        if (parsed.type !== event) throw new Error(`event ${event} carries ${parsed.type}`)
        this.inbox.put({ id: id === undefined ? null : Number(id), event: parsed })
      },
    })
    try {
      for await (const chunk of (this.response.body ?? new Blob().stream()).pipeThrough(
        new TextDecoderStream(),
      )) {
        parser.feed(chunk)
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error
    }
  }
}

/** The whole stream of a job that ended, as text. */
export async function eventText(server: Server, jobId: string): Promise<string> {
  return (await call(server, `${TRANSCRIPTIONS}/${jobId}/events`)).text()
}
