import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { isTerminalEvent, JobEvent } from '#protocol/events.ts'
import { isTerminal } from '#protocol/job.ts'
import { DalstonUnreachable } from './errors.ts'
import { type Connection, isPassing, parseAnswer, refusal } from './http.ts'
import { retryDelayMs, wait } from './retry.ts'

export interface EventsOptions {
  /** Go on after this event; without it the first event is a snapshot. */
  readonly lastEventId?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** A stream this long without a byte is dead: three of the server's comments are missing. */
  readonly silenceMs?: number | undefined
}

/** `id` is null for progress and partial text, which have no place in the log. */
export interface StreamedEvent {
  readonly id: string | null
  readonly event: JobEvent
}

const SILENCE_MS = 45_000

/**
 * The events of one job until it ended. A stream that ends without a terminal event is a disconnect: it is opened again
 * after the last id, with backoff, until `patientRetry.attempts` tries in a row brought nothing.
 * @throws DalstonProblem (unknown job, bad key), DalstonUnreachable, or the signal's reason.
 */
export async function* streamEvents(
  connection: Connection,
  path: string,
  options: EventsOptions = {},
): AsyncGenerator<StreamedEvent, void, void> {
  const { signal, silenceMs = SILENCE_MS } = options
  let lastEventId = options.lastEventId
  let failures = 0
  for (;;) {
    const headers: Record<string, string> = { accept: 'text/event-stream' }
    if (lastEventId !== undefined) headers['last-event-id'] = lastEventId
    const answer = await connection.sendOnce(path, { headers, signal })
    let lost: DalstonUnreachable | null = answer instanceof DalstonUnreachable ? answer : null
    if (answer instanceof Response) {
      if (answer.status === 204) return
      if (!answer.ok && !isPassing(answer)) throw await refusal(answer, `GET ${connection.server}${path}`)
      if (answer.ok) {
        try {
          for await (const message of readMessages(answer, silenceMs)) {
            const event = parseAnswer(JobEvent, message.data, `GET ${connection.server}${path}`)
            failures = 0
            if (message.id) lastEventId = message.id
            yield { id: message.id ?? null, event }
            if (isLast(event)) return
          }
        } catch (error) {
          if (signal?.aborted) throw signal.reason
          if (!(error instanceof StreamLost)) throw error
          lost = new DalstonUnreachable(connection.server, error.cause)
        }
      } else {
        await answer.body?.cancel()
      }
    }
    failures++
    if (failures >= connection.patientRetry.attempts) {
      throw lost ?? new DalstonUnreachable(connection.server, 'the event stream keeps ending')
    }
    await wait(retryDelayMs(connection.patientRetry, failures, Math.random()), signal ?? null)
  }
}

function isLast(event: JobEvent): boolean {
  return isTerminalEvent(event) || (event.type === 'snapshot' && isTerminal(event.job.status))
}

/** The connection broke while it was read, as opposed to an error of who consumes the events. */
export class StreamLost extends Error {}

export async function* readMessages(
  response: Response,
  silenceMs: number,
): AsyncGenerator<EventSourceMessage, void, void> {
  const ready: EventSourceMessage[] = []
  const parser = createParser({ onEvent: (message) => ready.push(message) })
  const decoder = new TextDecoder()
  const reader = response.body?.getReader()
  if (reader === undefined) return
  try {
    for (;;) {
      const { done, value } = await withinSilence(reader.read(), silenceMs)
      if (done) return
      parser.feed(decoder.decode(value, { stream: true }))
      yield* ready.splice(0)
    }
  } finally {
    // The stream may be broken already: then there is nothing left to cancel.
    await reader.cancel().catch(() => undefined)
  }
}

async function withinSilence<T>(read: Promise<T>, silenceMs: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came for ${silenceMs / 1000} s`)), silenceMs)
  })
  try {
    return await Promise.race([read, silence])
  } catch (error) {
    throw new StreamLost('the event stream broke', { cause: error })
  } finally {
    clearTimeout(timer)
  }
}
