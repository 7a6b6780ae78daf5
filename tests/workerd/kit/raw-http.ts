import { connect, type Socket } from 'node:net'
import type { Server } from './server.ts'

/** HTTP below fetch: bodies in pieces, cut off, or with heads that no client library would send. */
export interface RawAnswer {
  readonly status: number
  readonly text: string
}

export class RawRequest {
  readonly #socket: Socket
  readonly answer: Promise<RawAnswer>

  constructor(server: Server, head: readonly string[]) {
    this.#socket = connect(Number(server.url.port), server.url.hostname)
    this.answer = new Promise((resolve, reject) => {
      let text = ''
      this.#socket.setEncoding('utf8')
      this.#socket.on('data', (data) => {
        text += data
      })
      this.#socket.on('error', reject)
      this.#socket.on('close', () => {
        const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)
        resolve({ status, text })
      })
    })
    this.answer.catch(() => undefined) // who does not await it does not care
    this.#socket.setNoDelay(true)
    this.#socket.write(`${[...head, `Host: ${server.url.host}`, 'Connection: close'].join('\r\n')}\r\n\r\n`)
  }

  /** One TCP write of the body; resolves when it left this process. */
  send(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => this.#socket.write(bytes, () => resolve()))
  }

  async chunk(bytes: Uint8Array): Promise<void> {
    await this.send(`${bytes.length.toString(16)}\r\n`)
    await this.send(bytes)
    await this.send('\r\n')
  }

  /** Goes without a word. */
  vanish(): void {
    this.#socket.destroy()
  }
}

/** The head of a POST with a body of `type`. */
export function postHead(server: Server, path: string, ...more: readonly string[]): string[] {
  return [`POST ${path} HTTP/1.1`, `Authorization: Bearer ${server.key}`, ...more]
}
