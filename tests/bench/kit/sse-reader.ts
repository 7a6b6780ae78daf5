import { once } from 'node:events'
import { Agent, type ClientRequest, request } from 'node:http'
import { createParser } from 'eventsource-parser'

/** One SSE client, as cheap as it can be: a thousand of them share the bench's one process. */
export class SseReader {
  readonly #request: ClientRequest

  private constructor(call: ClientRequest) {
    this.#request = call
  }

  /** Resolves when the first event is there. */
  static async open(
    url: string,
    headers: Readonly<Record<string, string>>,
    onEvent: (name: string, data: string, atMs: number) => void,
  ): Promise<SseReader> {
    const call = request(url, { headers, agent: connections })
    call.end()
    const [answer] = await once(call, 'response')
    if (answer.statusCode !== 200) throw new Error(`${url} answered ${answer.statusCode}`)
    await new Promise<void>((resolve, reject) => {
      const parser = createParser({
        onEvent: ({ event, data }) => {
          onEvent(event ?? 'message', data, performance.now())
          resolve()
        },
      })
      answer.setEncoding('utf8')
      answer.on('data', (text: string) => parser.feed(text))
      answer.on('error', reject)
    })
    return new SseReader(call)
  }

  close(): void {
    this.#request.destroy()
  }
}

const connections = new Agent({ maxSockets: Number.POSITIVE_INFINITY, keepAlive: false })
