import type { IncomingMessage, ServerResponse } from 'node:http'

/** The artifact routes in memory: Range, single PUT, multipart; and faults to order. */
export class ArtifactStore {
  readonly objects = new Map<string, Buffer>()
  readonly uploads = new Map<string, Map<number, Buffer>>()
  /** Of the next downloads: end the connection after so many bytes. */
  readonly breakAfterBytes: number[] = []
  /** Awaited before a connection breaks: what the agent does not have yet is lost with it. */
  beforeBreak: () => Promise<void> = () => Promise.resolve()
  /** Answer the next requests with these statuses instead. */
  readonly failWith: { readonly status: number; readonly headers?: Record<string, string> }[] = []
  readonly ranges: (string | null)[] = []
  readonly partSizes: number[] = []
  readonly tokens: string[] = []
  /** Answer every part with this status. */
  failParts: number | null = null

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://agent.test')
    const key = url.pathname.slice('/agent/v1/artifacts/'.length)
    this.tokens.push(request.headers.authorization ?? '')
    const badPart =
      this.failParts !== null && url.searchParams.has('part') ? { status: this.failParts } : undefined
    const fault: ArtifactStore['failWith'][number] | undefined = badPart ?? this.failWith.shift()
    if (fault !== undefined) {
      request.resume()
      response.writeHead(fault.status, fault.headers).end()
      return
    }
    const uploadId = url.searchParams.get('upload_id')
    if (request.method === 'GET') this.#read(key, request, response)
    else if (request.method === 'DELETE') {
      this.uploads.delete(uploadId ?? '')
      response.writeHead(204).end()
    } else await this.#write(key, url.searchParams, await bodyOf(request), request.method, response)
  }

  #read(key: string, request: IncomingMessage, response: ServerResponse): void {
    const object = this.objects.get(key)
    const range = request.headers.range ?? null
    this.ranges.push(range)
    if (object === undefined) {
      response.writeHead(404).end()
      return
    }
    const start = range === null ? 0 : Number(/^bytes=(\d+)-$/.exec(range)?.[1])
    const body = object.subarray(start)
    response.writeHead(range === null ? 200 : 206, { 'content-length': body.length })
    const breakAt = this.breakAfterBytes.shift()
    if (breakAt === undefined) response.end(body)
    else
      response.write(body.subarray(0, breakAt), () => void this.beforeBreak().then(() => response.destroy()))
  }

  async #write(
    key: string,
    query: URLSearchParams,
    body: Buffer,
    method: string | undefined,
    response: ServerResponse,
  ): Promise<void> {
    const uploadId = query.get('upload_id')
    if (method === 'POST' && query.has('uploads')) {
      const id = `u${this.uploads.size + 1}`
      this.uploads.set(id, new Map())
      json(response, 200, { upload_id: id })
    } else if (method === 'PUT' && uploadId !== null) {
      const part = Number(query.get('part'))
      this.uploads.get(uploadId)?.set(part, body)
      this.partSizes.push(body.length)
      json(response, 200, { part, etag: `e${part}` })
    } else if (method === 'POST' && uploadId !== null) {
      const parts = [...(this.uploads.get(uploadId) ?? [])].sort(([a], [b]) => a - b)
      const object = Buffer.concat(parts.map(([, bytes]) => bytes))
      this.objects.set(key, object)
      json(response, 201, { key, size_bytes: object.length })
    } else {
      this.objects.set(key, body)
      json(response, 201, { key, size_bytes: body.length })
    }
  }
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
