import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What goes wrong with an answer. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Record<string, string> }
  /** Ends the connection after so many bytes of the body, and after `until`. */
  | { readonly kind: 'drop'; readonly afterBytes: number; readonly until?: Promise<unknown> }
  /** The byte at this place of the body is another one. */
  | { readonly kind: 'wrong-byte'; readonly at: number }
  /** Ends the body in order after so many bytes, without having told its length. */
  | { readonly kind: 'short'; readonly bytes: number }
  | { readonly kind: 'html' }
  /** Waits before it answers. */
  | { readonly kind: 'wait'; readonly until: Promise<unknown> }

export interface HubRequest {
  readonly method: string
  /** Without the origin. */
  readonly path: string
  readonly range: string | null
  readonly ifRange: string | null
  readonly authorization: string | null
}

interface StoredFile {
  readonly content: Buffer
  /** In large storage: its etag is its sha256, and it may lie at another origin. */
  readonly isLarge: boolean
}

/** A hub of the public layout on a free port of 127.0.0.1: one commit, Range, redirects; and faults to order. */
export class FakeHub {
  readonly files = new Map<string, StoredFile>()
  readonly requests: HubRequest[] = []
  bytesSent = 0
  commit = 'c0ffee'.padEnd(40, '0')
  /** Set: who does not show it gets 401. */
  token: string | null = null
  /** Set: large files are sent from there. */
  storage: FakeHub | null = null
  ranges = true
  /** How soon it tells how long a file is. */
  tellsSizes: 'when_asked' | 'with_the_file' | 'never' = 'when_asked'
  /** Of the next downloads. */
  readonly faults: Fault[] = []
  /** Of the next download of a file, by `repository/path`. */
  readonly faultOf = new Map<string, Fault>()
  /** Of all requests. */
  always: Fault | null = null
  readonly url: string
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    // A server that listens on a port has such an address; on a path it would be a string.
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(): Promise<FakeHub> {
    const server = createServer((request, response) => void hub.#handle(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const hub = new FakeHub(server)
    return hub
  }

  put(repository: string, path: string, content: Buffer, isLarge = true): void {
    this.files.set(`${repository}/${path}`, { content, isLarge })
  }

  /** The downloads, without the questions about files and repositories. */
  get downloads(): HubRequest[] {
    return this.requests.filter(({ method, path }) => method === 'GET' && !path.startsWith('/api/'))
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? ''
    const path = decodeURIComponent(new URL(request.url ?? '', this.url).pathname)
    const authorization = request.headers.authorization ?? null
    const [range, ifRange] = [request.headers.range ?? null, request.headers['if-range'] ?? null]
    this.requests.push({ method, path, range, ifRange: ifRange?.toString() ?? null, authorization })
    const asksOfRepository = /^\/api\/models\/([^/]+\/[^/]+)(?:\/revision\/([^/]+))?$/.exec(path)
    const isDownload = method === 'GET' && asksOfRepository === null
    const fault = this.always ?? (isDownload ? this.#faultOf(path) : null)
    if (fault?.kind === 'wait') await fault.until
    if (fault?.kind === 'status') {
      response.writeHead(fault.status, fault.headers).end('no')
      return
    }
    if (fault?.kind === 'html') {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>Welcome</html>')
      return
    }
    if (this.token !== null && authorization !== `Bearer ${this.token}`) {
      response.writeHead(401, { 'x-error-code': 'GatedRepo' }).end('no')
      return
    }
    if (asksOfRepository !== null) {
      const [, repository = '', revision = 'main'] = asksOfRepository
      const listing = this.#listing(repository, revision)
      response.writeHead(listing === null ? 404 : 200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(listing ?? { error: 'Repository not found' }))
      return
    }
    const file = this.#find(path)
    if (typeof file === 'string') response.writeHead(404, { 'x-error-code': file }).end('no')
    else this.#answer(request, response, file, fault)
  }

  #faultOf(path: string): Fault | null {
    const key = path.slice(1).replace(/\/resolve\/[^/]+\//, '/')
    const fault = this.faultOf.get(key)
    this.faultOf.delete(key)
    return fault ?? this.faults.shift() ?? null
  }

  /** What the hub's API tells of a repository; null where there is none. */
  #listing(repository: string, revision: string): object | null {
    const siblings = [...this.files]
      .filter(([key]) => key.startsWith(`${repository}/`))
      .map(([key, { content, isLarge }]) => ({
        rfilename: key.slice(repository.length + 1),
        size: content.length,
        ...(isLarge && { lfs: { sha256: sha256(content), size: content.length } }),
      }))
    if (siblings.length === 0 || (revision !== 'main' && revision !== this.commit)) return null
    return { sha: this.commit, gated: false, cardData: { license: 'mit', language: 'en' }, siblings }
  }

  /** The file, or the hub's word for why there is none. */
  #find(path: string): StoredFile | string {
    const blob = /^\/blob\/([0-9a-f]{64})$/.exec(path)?.[1]
    if (blob !== undefined)
      return [...this.files.values()].find(({ content }) => sha256(content) === blob) ?? 'EntryNotFound'
    const match = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path)
    if (match === null || ![...this.files.keys()].some((key) => key.startsWith(`${match[1]}/`)))
      return 'RepoNotFound'
    if (match[2] !== 'main' && match[2] !== this.commit) return 'RevisionNotFound'
    return this.files.get(`${match[1]}/${match[3]}`) ?? 'EntryNotFound'
  }

  #answer(request: IncomingMessage, response: ServerResponse, file: StoredFile, fault: Fault | null): void {
    const digest = sha256(file.content)
    const etag = file.isLarge ? digest : createHash('sha1').update(file.content).digest('hex')
    const headers: Record<string, string> = { 'x-repo-commit': this.commit, etag: `"${etag}"` }
    if (file.isLarge) {
      headers['x-linked-etag'] = `"${digest}"`
      if (this.tellsSizes === 'when_asked') headers['x-linked-size'] = String(file.content.length)
    }
    if (file.isLarge && this.storage !== null && !request.url?.startsWith('/blob/')) {
      this.storage.files.set(digest, file)
      response
        .writeHead(302, { ...headers, location: `${this.storage.url}/blob/${digest}?signature=s` })
        .end()
      return
    }
    const ifRange = request.headers['if-range']
    const asked = this.ranges && (ifRange === undefined || ifRange === headers.etag)
    const start = asked ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0
    if (start > 0)
      headers['content-range'] = `bytes ${start}-${file.content.length - 1}/${file.content.length}`
    const body = Buffer.from(file.content.subarray(start))
    if (fault?.kind === 'wrong-byte') body[fault.at] = (body[fault.at] ?? 0) ^ 1
    const isTold =
      this.tellsSizes === 'when_asked' || (this.tellsSizes === 'with_the_file' && request.method === 'GET')
    if (fault?.kind !== 'short' && isTold) headers['content-length'] = String(body.length)
    response.writeHead(start > 0 ? 206 : 200, headers)
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    const sent =
      fault?.kind === 'drop' ? fault.afterBytes : fault?.kind === 'short' ? fault.bytes : body.length
    this.bytesSent += Math.min(sent, body.length)
    if (fault?.kind !== 'drop') response.end(body.subarray(0, sent))
    else
      response.write(body.subarray(0, sent), () => {
        void (fault.until ?? Promise.resolve()).then(() => response.socket?.end())
      })
  }
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
