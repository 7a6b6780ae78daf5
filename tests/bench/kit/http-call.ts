import { Agent, request } from 'node:http'

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
}

export interface HttpAnswer {
  readonly status: number
  readonly text: string
  /** Just before the last byte was handed to the system. */
  readonly sentAtMs: number
  readonly answeredAtMs: number
}

/** One call on a connection that is kept: as little as a client can cost the machine that it shares with the server. */
export function httpCall({ method, url, headers = {}, body = '' }: HttpCall): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const length = String(Buffer.byteLength(body))
    const sent = { ...headers, ...(method === 'GET' ? {} : { 'content-length': length }) }
    const call = request(url, { method, headers: sent, agent: connections }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        resolve({ status: answer.statusCode ?? 0, text, sentAtMs, answeredAtMs: performance.now() })
      })
    })
    call.on('error', reject)
    const sentAtMs = performance.now()
    call.end(method === 'GET' ? undefined : body)
  })
}

const connections = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })
