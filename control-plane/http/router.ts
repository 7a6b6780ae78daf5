import { type IRequest, Router } from 'itty-router'
import { logError } from '../access/log.ts'
import type { Caller } from '../actions/caller.ts'
import type { Bindings } from '../env.ts'
import { ProblemError } from '../problem-error.ts'
import { problemResponse } from './answers.ts'
import { requireAgent, requireInvitation, requireKey, requireTask } from './auth.ts'
import { drain } from './body.ts'
import type { OpenContext } from './context.ts'
import { ROUTES, type Route } from './routes.ts'

const RETRY = { 'retry-after': '2' }
/** Answers are data for programs: nothing in them may run, be framed, or be read by another site. */
const SECURITY = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}
/** Far above what any client of ours sends, and the same wherever the Worker runs: platforms differ in their own limits. */
const MAX_HEAD_LENGTH = 32 * 1024
const REQUEST_ID = /^[A-Za-z0-9_.-]{1,128}$/

/** Answers the native API. `caller` is set when the console asks for its visitor: then no key is looked for. */
export async function answerApi(request: Request, env: Bindings, caller: Caller | null): Promise<Response> {
  const url = new URL(request.url)
  const requestId = requestIdOf(request)
  try {
    refuseLargeHead(request)
    const response = await router.fetch(request, { env, url, requestId, caller } satisfies Call)
    return withRequestId(response ?? problemResponse(unknownPath(url), url.pathname, requestId), requestId)
  } catch (error) {
    await drain(request)
    return withRequestId(
      problemResponse(asProblem(error, requestId, url), url.pathname, requestId),
      requestId,
    )
  }
}

interface Call {
  readonly env: Bindings
  readonly url: URL
  readonly requestId: string
  readonly caller: Caller | null
}

const router = Router()
for (const route of ROUTES) {
  router.all(route.path, (request: IRequest, call: Call) =>
    request.method === route.method ? handle(route, request, call) : undefined,
  )
}
for (const path of new Set(ROUTES.map((route) => route.path))) {
  router.all(path, (request: IRequest) => {
    const allow = ROUTES.filter((route) => route.path === path).map((route) => route.method)
    const detail = `Expected ${allow.join(' or ')} here, got ${request.method}.`
    throw new ProblemError('method_not_allowed', detail, {}, { allow: allow.join(', ') })
  })
}

async function handle(route: Route, request: IRequest, call: Call): Promise<Response> {
  const { env, url, requestId } = call
  // The platform hands the router a Request; IRequest only adds `params`.
  const original = request as unknown as Request
  const params = request.params as Readonly<Record<string, string>>
  const context: OpenContext = { request: original, env, url, params, requestId }
  switch (route.credential) {
    case 'none':
      return route.handler(context)
    case 'key':
      return route.handler({ ...context, caller: call.caller ?? (await requireKey(original, env)) })
    case 'join':
      return route.handler({ ...context, invitation: await requireInvitation(original, env) })
    case 'agent':
      return route.handler({ ...context, agent: await requireAgent(original, env) })
    case 'task':
      return route.handler({ ...context, claims: await requireTask(original, env) })
  }
}

/** Exact in the log, vague to strangers. */
function asProblem(error: unknown, requestId: string, url: URL): ProblemError {
  if (error instanceof ProblemError) return error
  logError('http.failed', error, { request_id: requestId, path: url.pathname.slice(0, 200) })
  if (isPassing(error)) {
    return new ProblemError('unavailable', 'A part of this server does not answer. Try again.', {}, RETRY)
  }
  return new ProblemError(
    'internal_error',
    `Something went wrong here. The log has it under request id ${requestId}.`,
  )
}

/**
 * The database, the storage or an object is away or overloaded: the same request may succeed a little later. R2 says so
 * by the code at the end of its message: 10001 internal error, 10043 service unavailable.
 */
function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (/^D1_|\((10001|10043)\)$/.test(error.message) || 'retryable' in error || 'overloaded' in error)
    return true
  return isPassing(error.cause)
}

function refuseLargeHead(request: Request): void {
  let length = request.url.length
  for (const [name, value] of request.headers) length += name.length + value.length
  if (length <= MAX_HEAD_LENGTH) return
  const detail = `Expected a URL and headers of at most ${MAX_HEAD_LENGTH} characters, got ${length}.`
  throw new ProblemError('headers_too_large', detail)
}

function unknownPath(url: URL): ProblemError {
  return new ProblemError('not_found', `Nothing is served at ${url.pathname.slice(0, 200)}.`)
}

function requestIdOf(request: Request): string {
  const given = request.headers.get('x-request-id')
  return given !== null && REQUEST_ID.test(given) ? given : `req_${crypto.randomUUID().replaceAll('-', '')}`
}

function withRequestId(response: Response, requestId: string): Response {
  // A socket's upgrade must be handed on as it is.
  if (response.webSocket) return response
  const headers = new Headers(response.headers)
  headers.set('x-request-id', requestId)
  for (const [name, value] of Object.entries(SECURITY)) headers.set(name, value)
  const { status, statusText } = response
  return new Response(response.body, { status, statusText, headers })
}
