import { problemNotice } from '#fragments/notice.ts'
import type { Problem } from '#protocol/problem.ts'
import { problem } from './api.ts'
import { isCrossSite, isSameToken, sentCsrfToken } from './cross-site.ts'
import { markup, seeOther } from './headers.ts'
import { type Page, problemPage } from './page.ts'
import type { ConsolePorts } from './ports.ts'
import { type Visitor, visitorOf } from './visitor.ts'

/** Who reads the answer: a browser that shows pages, htmx that swaps fragments, or the upload script. */
export type Reader = 'page' | 'fragment' | 'script'
type Answer = Promise<Response | Page>

/** What changes nothing needs a session only. */
export async function reading<Caller>(
  ports: ConsolePorts<Caller>,
  request: Request,
  reader: Reader,
  answer: (visitor: Visitor) => Answer,
): Answer {
  const visitor = await visitorOf(ports, request)
  return visitor === null ? signInFirst(request, reader) : answer(visitor)
}

/** What changes something also needs to come from a page of ours: by the browser's word, and by the token. */
export async function acting<Caller>(
  ports: ConsolePorts<Caller>,
  request: Request,
  reader: Reader,
  answer: (visitor: Visitor) => Answer,
): Answer {
  if (isCrossSite(request)) return refused(request, reader, CROSS_SITE)
  const visitor = await visitorOf(ports, request)
  if (visitor === null) return refusedUnread(request, signInFirst(request, reader))
  if (isSameToken(await sentCsrfToken(request), visitor.visit.csrfToken)) return answer(visitor)
  return refused(request, reader, STALE_PAGE)
}

/** Signing in has no session to prove yet: only the browser's word counts. */
export async function ownSite(request: Request, answer: () => Answer): Answer {
  return isCrossSite(request) ? refused(request, 'page', CROSS_SITE) : answer()
}

const CROSS_SITE = 'This came from a page of another site. Do it from the console itself.'
const STALE_PAGE = 'This page is older than your session. Reload it and try again.'

function refused(request: Request, reader: Reader, detail: string): Promise<Response | Page> {
  const found = problem('forbidden', detail, new URL(request.url).pathname)
  return refusedUnread(request, reader === 'page' ? problemPage(found) : refusal(found, reader))
}

/** A body left unread would break the connection that carries the answer. */
async function refusedUnread<Value>(request: Request, answer: Value): Promise<Value> {
  if (request.bodyUsed) return answer
  await request.body?.cancel()
  return answer
}

function signInFirst(request: Request, reader: Reader): Response {
  const { pathname, search } = new URL(request.url)
  if (reader === 'page') {
    const next = request.method === 'GET' ? `?next=${encodeURIComponent(pathname + search)}` : ''
    return seeOther(`/sign-in${next}`)
  }
  const found = problem('unauthorized', 'Your session has ended. Sign in again.', pathname)
  return refusal(found, reader, { 'hx-redirect': '/sign-in' })
}

function refusal(found: Problem, reader: Reader, headers: Record<string, string> = {}): Response {
  if (reader === 'fragment') return markup(problemNotice(found).markup, { status: found.status, headers })
  return new Response(JSON.stringify(found), {
    status: found.status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  })
}
