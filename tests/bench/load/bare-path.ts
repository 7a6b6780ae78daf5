import { once } from 'node:events'
import { WebSocket } from 'ws'
import { startBareServer } from '../kit/bare-server.ts'
import { httpCall } from '../kit/http-call.ts'
import type { RecordingForm } from '../kit/recording-form.ts'

const OBJECTS = { REGISTRY: 'Registry', JOB: 'Job' }
const TABLE = 'CREATE TABLE jobs (id TEXT PRIMARY KEY NOT NULL, created_at_ms INTEGER NOT NULL)'

/** POST → D1 → a new object → a push, on a server of its own; the same bytes are sent as to the real one. */
export class BarePath implements AsyncDisposable {
  readonly #url: string
  readonly #stop: () => Promise<void>
  readonly #waiting: ((atMs: number) => void)[] = []

  private constructor(url: string, socket: WebSocket, stop: () => Promise<void>) {
    this.#url = url
    this.#stop = async () => {
      socket.close()
      await stop()
    }
    socket.on('message', () => this.#waiting.shift()?.(performance.now()))
  }

  static async open(): Promise<BarePath> {
    const server = await startBareServer('bare-submit.js', OBJECTS, TABLE)
    const socket = new WebSocket(server.url.replace('http', 'ws'))
    await once(socket, 'open')
    return new BarePath(server.url, socket, server.stop)
  }

  /** Milliseconds from the last byte to the push; resolves when the answer is there too. One at a time. */
  async pushMs(form: RecordingForm): Promise<number> {
    const pushed = new Promise<number>((resolve) => this.#waiting.push(resolve))
    const { sentAtMs } = await this.submit(form)
    return (await pushed) - sentAtMs
  }

  async submit({ headers, body }: RecordingForm) {
    const answer = await httpCall({ method: 'POST', url: this.#url, headers, body })
    if (answer.status !== 201) throw new Error(`the bare path answered ${answer.status}`)
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
  }
}
