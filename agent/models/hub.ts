import { type Dispatcher, errors, request } from 'undici'
import { retryAfterMs } from '../backoff.ts'
import { sentenceOf } from '../log.ts'
import { HubError, type HubFile, refusal } from './hub-error.ts'
import {
  contentRange,
  type FileFacts,
  factsOf,
  isHtml,
  merged,
  NO_FACTS,
  strongEtag,
  text,
} from './hub-headers.ts'

export interface HubOptions {
  /** Without a slash at its end. */
  readonly endpoint: string
  /** Asked for at each request, so that a new one counts at once. Never logged, never sent to another origin. */
  readonly token: () => Promise<string | null>
  readonly dispatcher: Dispatcher
  readonly userAgent: string
  readonly signal: AbortSignal
}

export interface OpenFile {
  /** Where in the file the body begins. */
  readonly start: number
  readonly sizeBytes: number | null
  /** For the `If-Range` of a next request. */
  readonly rangeEtag: string | null
  readonly body: AsyncIterable<Buffer>
  /** For who does not read the body. */
  close(): void
}

/** One hub of the public layout: `{endpoint}/{repository}/resolve/{revision}/{path}`. Throws `HubError`. */
export class Hub {
  readonly endpoint: string
  readonly #options: HubOptions
  #hasAnswered = false

  constructor(options: HubOptions) {
    this.endpoint = options.endpoint
    this.#options = options
  }

  /** Asks about a file without fetching it. Large files are redirected to another origin: there nothing is asked. */
  async facts(file: HubFile): Promise<FileFacts> {
    let facts = NO_FACTS
    const answer = await this.#ask('HEAD', file, {}, (redirect) => {
      facts = merged(facts, factsOf(redirect.headers, false))
      return new URL(redirect.location).origin === new URL(this.endpoint).origin
    })
    discard(answer)
    if (isRedirect(answer.statusCode)) return facts
    if (isHtml(answer.headers) && !isHtmlPath(file.path)) throw this.#notAFile(file)
    return merged(facts, factsOf(answer.headers, true))
  }

  /** The file from a byte on; a server without ranges, or another content, begins at 0. */
  async open(file: HubFile, from: number, ifRange: string | null): Promise<OpenFile> {
    const answer = await this.#ask('GET', file, {
      ...(from > 0 && { range: `bytes=${from}-` }),
      ...(from > 0 && ifRange !== null && { 'if-range': ifRange }),
    })
    const { headers, body } = answer
    if (isHtml(headers) && !isHtmlPath(file.path)) {
      discard(answer)
      throw this.#notAFile(file)
    }
    const range = answer.statusCode === 206 ? contentRange(headers) : null
    const length = text(headers, 'content-length')
    return {
      start: range?.start ?? 0,
      sizeBytes: range === null ? (length === null ? null : Number(length)) : range.sizeBytes,
      rangeEtag: strongEtag(headers),
      body: this.#read(body, file),
      close: () => discard(answer),
    }
  }

  /** Follows redirects while `follows` says so; the token goes to the hub's own origin only. */
  async #ask(
    method: 'GET' | 'HEAD',
    file: HubFile,
    headers: Readonly<Record<string, string>>,
    follows: (redirect: Redirect) => boolean = () => true,
  ): Promise<Dispatcher.ResponseData> {
    let url = new URL(addressOf(this.endpoint, file))
    for (let hops = 0; ; hops++) {
      const token = url.origin === new URL(this.endpoint).origin ? await this.#options.token() : null
      const answer = await this.#request(method, url, file, {
        ...headers,
        ...(token !== null && { authorization: `Bearer ${token}` }),
      })
      const location = text(answer.headers, 'location')
      if (isRedirect(answer.statusCode) && location !== null) {
        const next = new URL(location, url)
        if (!follows({ headers: answer.headers, location: next.href })) return answer
        discard(answer)
        if (hops >= MOST_REDIRECTS || !mayFollow(url, next)) throw this.#badRedirect(file, next)
        url = next
        continue
      }
      if (answer.statusCode >= 200 && answer.statusCode < 300) return answer
      discard(answer)
      throw refusal(
        {
          endpoint: this.endpoint,
          status: answer.statusCode,
          retryAfterMs: retryAfterMs(text(answer.headers, 'retry-after'), Date.now()),
          code: text(answer.headers, 'x-error-code'),
          tokenWasSent: token !== null,
        },
        file,
      )
    }
  }

  async #request(
    method: 'GET' | 'HEAD',
    url: URL,
    file: HubFile,
    headers: Readonly<Record<string, string>>,
  ): Promise<Dispatcher.ResponseData> {
    const { dispatcher, userAgent, signal } = this.#options
    try {
      // As it is: a compressed answer has another length, and no range of the file.
      const all = { ...headers, 'accept-encoding': 'identity', 'user-agent': userAgent }
      const timeouts = { headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS }
      const answer = await request(url, { method, headers: all, dispatcher, signal, ...timeouts })
      this.#hasAnswered = true
      return answer
    } catch (error) {
      throw this.#unreachable(error, url, file)
    }
  }

  async *#read(body: AsyncIterable<Buffer>, file: HubFile): AsyncGenerator<Buffer> {
    try {
      yield* body
    } catch (error) {
      if (this.#options.signal.aborted) throw this.#options.signal.reason
      const message = `${this.endpoint} broke off ${file.path} of ${file.repository}: ${sentenceOf(error)}`
      const known = { code: 'hub_truncated', message, retryable: true }
      throw new HubError(known, { retryAfterMs: null }, { cause: error })
    }
  }

  #unreachable(error: unknown, url: URL, file: HubFile): unknown {
    if (this.#options.signal.aborted) return this.#options.signal.reason
    const first: unknown = error instanceof AggregateError ? error.errors[0] : error
    const sentence = sentenceOf(first)
    const what = error instanceof errors.ConnectTimeoutError ? 'does not answer' : 'cannot be reached'
    const message = `${url.origin} ${what} for ${file.path} of ${file.repository}: ${sentence}`
    const known = { code: 'hub_unreachable', message, retryable: true }
    const isAbsent = !this.#hasAnswered && isNobodyThere(first)
    return new HubError(known, { retryAfterMs: null, isAbsent }, { cause: error })
  }

  #notAFile(file: HubFile): HubError {
    const message = `${this.endpoint} sent a web page instead of ${file.path} of ${file.repository}: is this a hub, and is no login or proxy page before it?`
    return new HubError({ code: 'hub_not_a_file', message, retryable: false }, null)
  }

  #badRedirect(file: HubFile, next: URL): HubError {
    const message = `${this.endpoint} sends on to ${next.origin} for ${file.path} of ${file.repository}, which is not followed: more than ${MOST_REDIRECTS} steps, or from https to ${next.protocol}`
    return new HubError({ code: 'hub_failed', message, retryable: false }, null)
  }
}

interface Redirect {
  readonly headers: Dispatcher.ResponseData['headers']
  readonly location: string
}

/** A renamed repository is one, its cache another, the storage a third. */
const MOST_REDIRECTS = 5
/** A peer that sends nothing for so long is gone. */
const SILENCE_MS = 30_000

export function addressOf(endpoint: string, file: HubFile): string {
  const path = file.path.split('/').map(encodeURIComponent).join('/')
  return `${endpoint}/${file.repository}/resolve/${encodeURIComponent(file.revision)}/${path}`
}

/** Refused, not found, or no way there: a connection that breaks is another matter. */
function isNobodyThere(error: unknown): boolean {
  return error instanceof Error && 'code' in error && NOBODY_THERE.test(String(error.code))
}

const NOBODY_THERE = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH)$/

/** Small bodies are read, so that the connection serves again; of large ones it ends. Neither is worth an error. */
function discard({ body }: Dispatcher.ResponseData): void {
  body.on('error', () => {})
  void body.dump().catch(() => {})
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400 && status !== 304
}

function mayFollow(from: URL, to: URL): boolean {
  return to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:')
}

function isHtmlPath(path: string): boolean {
  return /\.x?html?$/i.test(path)
}
