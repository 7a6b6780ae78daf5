import { type SignInView, signInForm } from '#fragments/sign-in.ts'
import { sessionCookie, sessionToken } from './cookie.ts'
import { formFields, isCrossSite } from './cross-site.ts'
import { seeOther } from './headers.ts'
import type { Page } from './page.ts'
import type { ConsolePorts } from './ports.ts'

const WRONG_KEY = 'That is no key of this server. Keys begin with dk_ and are copied whole.'
const SPENT_LINK =
  'That link was used already, or its time is over. Sign in with the key, or start `dalston serve` again for a new link.'

/** The form; or, with `?link=`, the way in. */
export async function signInPage<Caller>(
  ports: ConsolePorts<Caller>,
  request: Request,
): Promise<Response | Page> {
  const query = new URL(request.url).searchParams
  const next = localPath(query.get('next'))
  const link = query.get('link')
  if (link === null) return page({ problem: null, next, link: null })
  // A page elsewhere must not sign a visitor in unasked, and a browser that only fetches ahead must not spend the link.
  const unasked = isCrossSite(request) || request.headers.get('sec-purpose')?.includes('prefetch') === true
  if (unasked) return page({ problem: null, next, link })
  return enter(ports, request, { caller: await ports.consumeSignInLink(link), next, problem: SPENT_LINK })
}

/** The form's answer: a key, or a link that the visitor agreed to follow. */
export async function signIn<Caller>(
  ports: ConsolePorts<Caller>,
  request: Request,
): Promise<Response | Page> {
  const fields = await formFields(request)
  const next = localPath(fields.get('next'))
  const link = fields.get('link')
  if (link !== null) {
    return enter(ports, request, { caller: await ports.consumeSignInLink(link), next, problem: SPENT_LINK })
  }
  const key = (fields.get('key') ?? '').trim()
  return enter(ports, request, { caller: await ports.verifyKey(key), next, problem: WRONG_KEY })
}

export async function signOut<Caller>(ports: ConsolePorts<Caller>, request: Request): Promise<Response> {
  const token = sessionToken(request)
  if (token !== null) await ports.deleteSession(token)
  return seeOther('/sign-in', { 'set-cookie': sessionCookie(request, '', 0) })
}

interface Entry<Caller> {
  readonly caller: Caller | null
  readonly next: string
  readonly problem: string
}

async function enter<Caller>(
  ports: ConsolePorts<Caller>,
  request: Request,
  { caller, next, problem }: Entry<Caller>,
): Promise<Response | Page> {
  if (caller === null) return { ...page({ problem, next, link: null }), status: 401 }
  const session = await ports.createSession(caller)
  const maxAgeSeconds = (session.expiresAtMs - ports.nowMs()) / 1000
  return seeOther(next, { 'set-cookie': sessionCookie(request, session.token, maxAgeSeconds) })
}

function page(view: SignInView): Page {
  return { shell: 'sign-in', title: 'Sign in', main: signInForm(view) }
}

/** Only paths of this console: `//host` and `/\host` would lead elsewhere. */
function localPath(path: string | null): string {
  return path !== null && /^\/(?![/\\])[\w./?=&%-]*$/.test(path) ? path : '/jobs'
}
