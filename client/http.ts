import type { z } from 'zod'
import { Problem } from '#protocol/problem.ts'
import { DalstonProblem, DalstonUnreachable, DalstonUnreadable } from './errors.ts'
import { PATIENT_RETRY, REQUEST_RETRY, type RetryPolicy, retryDelayMs, wait } from './retry.ts'

export type Fetch = (input: string, init: RequestInit) => Promise<Response>

export interface ConnectionOptions {
  /** `http://127.0.0.1:8787` */
  readonly server: string
  readonly apiKey?: string | undefined
  readonly fetch?: Fetch | undefined
  /** For requests that may be sent again; REQUEST_RETRY where not given. */
  readonly retry?: RetryPolicy | undefined
  /** For event streams and upload parts; PATIENT_RETRY where not given. */
  readonly patientRetry?: RetryPolicy | undefined
}

export interface RequestOptions {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly body?: NonNullable<RequestInit['body']>
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** True where the request may reach the server twice without harm; GET always may. */
  readonly repeatable?: boolean
  /** Part of long work: try as long as an event stream would. */
  readonly patient?: boolean
}

/** One server and the key for it: sends requests, tries again what may be tried again, turns refusals into errors. */
export class Connection {
  readonly server: string
  readonly retry: RetryPolicy
  readonly patientRetry: RetryPolicy
  readonly #apiKey: string | undefined
  readonly #fetch: Fetch

  constructor(options: ConnectionOptions) {
    this.server = parseServer(options.server)
    this.retry = options.retry ?? REQUEST_RETRY
    this.patientRetry = options.patientRetry ?? PATIENT_RETRY
    this.#apiKey = options.apiKey
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init))
  }

  /**
   * The server's answer, whatever 2xx it is.
   * @throws DalstonProblem on a refusal, DalstonUnreachable when nothing answers, the signal's reason when aborted.
   */
  async send(path: string, options: RequestOptions = {}): Promise<Response> {
    const policy = options.patient ? this.patientRetry : this.retry
    const attempts = options.repeatable || (options.method ?? 'GET') === 'GET' ? policy.attempts : 1
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.sendOnce(path, options)
      if (outcome instanceof Response && outcome.ok) return outcome
      if (attempt === attempts || !isPassing(outcome)) {
        throw outcome instanceof Response ? await refusal(outcome, this.#name(path, options)) : outcome
      }
      await closeBody(outcome)
      await wait(retryDelayMs(policy, attempt, Math.random()), options.signal ?? null)
    }
  }

  /** One try: the response of any status, or that there was none. */
  async sendOnce(path: string, options: RequestOptions = {}): Promise<Response | DalstonUnreachable> {
    const headers: Record<string, string> = { ...options.headers }
    if (this.#apiKey !== undefined) headers.authorization = `Bearer ${this.#apiKey}`
    const { method = 'GET', body = null, signal = null } = options
    try {
      return await this.#fetch(`${this.server}${path}`, { method, headers, body, signal, redirect: 'error' })
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      return new DalstonUnreachable(this.server, error)
    }
  }

  /** The parsed JSON of an answer. @throws DalstonUnreadable when it has another shape, and what `send` throws. */
  async json<T extends z.ZodType>(
    schema: T,
    path: string,
    options: RequestOptions = {},
  ): Promise<z.infer<T>> {
    const response = await this.send(path, options)
    return parseAnswer(schema, await response.text(), this.#name(path, options))
  }

  #name(path: string, options: RequestOptions): string {
    return `${options.method ?? 'GET'} ${this.server}${path}`
  }
}

/** The error that a response with a status outside 2xx stands for. */
export async function refusal(
  response: Response,
  request: string,
): Promise<DalstonProblem | DalstonUnreadable> {
  const text = await response.text()
  const problem = Problem.safeParse(parseJson(text))
  if (problem.success) return new DalstonProblem(problem.data)
  return new DalstonUnreadable(request, `status ${response.status}, ${text.slice(0, 80).trim() || 'no body'}`)
}

/** Unreachable, or a 5xx that passes by itself. 501 does not. */
export function isPassing(outcome: Response | DalstonUnreachable): boolean {
  return !(outcome instanceof Response) || (outcome.status >= 500 && outcome.status !== 501)
}

export function parseAnswer<T extends z.ZodType>(schema: T, text: string, request: string): z.infer<T> {
  const result = schema.safeParse(parseJson(text))
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new DalstonUnreadable(
    request,
    issue ? `${issue.path.join('.') || 'body'}: ${issue.message}` : 'unknown',
  )
}

/** The value, or undefined for text that is no JSON: no schema here accepts undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // a proxy's HTML page, a cut answer
  }
}

function parseServer(server: string): string {
  const url = URL.canParse(server) ? new URL(server) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new TypeError(
      `expected the server's address such as http://127.0.0.1:8787, got ${JSON.stringify(server)}`,
    )
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

/** An unread body would hold the socket. */
async function closeBody(outcome: Response | DalstonUnreachable): Promise<void> {
  if (outcome instanceof Response) await outcome.body?.cancel()
}
