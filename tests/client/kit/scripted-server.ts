import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** Answers one request; the body is read already. */
export type Answer = (request: SeenRequest, response: ServerResponse) => void | Promise<void>

export interface ScriptedServer extends AsyncDisposable {
  readonly address: string
  readonly requests: SeenRequest[]
  /** `GET /v1/engines` → answer; a list is played one by one, and its last entry again and again. */
  on(route: string, ...answers: [Answer, ...Answer[]]): void
}

/** A stand-in for the control plane on a free port of 127.0.0.1: it says what the test wrote. */
export async function scriptedServer(): Promise<ScriptedServer> {
  const scripts = new Map<string, Answer[]>()
  const requests: SeenRequest[] = []
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const [path = '', query] = (incoming.url ?? '').split('?')
    const request = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      body: Buffer.concat(chunks),
    }
    requests.push(request)
    const script =
      scripts.get(`${incoming.method} ${path}?${query}`) ?? scripts.get(`${incoming.method} ${path}`)
    const answer = script !== undefined && script.length > 1 ? script.shift() : script?.[0]
    if (answer === undefined)
      return problem('not_found', 404, `no script for ${incoming.method} ${path}`)(request, response)
    await answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // listening on TCP, so it is no pipe name
  return {
    address: `http://127.0.0.1:${port}`,
    requests,
    on: (route, ...answers) => void scripts.set(route, answers),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export function json(value: unknown, status = 200): Answer {
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  }
}

export function text(value: string, status = 200): Answer {
  return (_, response) => void response.writeHead(status).end(value)
}

export function problem(code: string, status: number, detail: string, more: object = {}): Answer {
  const body = {
    type: `/problems/${code}`,
    title: code,
    status,
    detail,
    instance: '/x',
    code,
    request_id: 'req_1',
    ...more,
  }
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(body))
  }
}

/** The connection is cut without an answer. */
export const cut: Answer = (_, response) => void response.destroy()

/** An event stream: each chunk is written for itself; then the stream ends, or is cut, or stays open. */
export function stream(chunks: readonly string[], end: 'end' | 'cut' | 'open' = 'end'): Answer {
  return async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const chunk of chunks) await new Promise<void>((resolve) => response.write(chunk, () => resolve()))
    if (end === 'end') response.end()
    if (end === 'cut') response.destroy()
  }
}

/** One event in SSE text. */
export function sse(event: { readonly type: string }, id?: number): string {
  const idLine = id === undefined ? '' : `id: ${id}\n`
  return `event: ${event.type}\n${idLine}data: ${JSON.stringify(event)}\n\n`
}
