import type { Visit } from '#fragments/form.ts'
import { originOf, sessionToken } from './cookie.ts'
import { csrfTokenOf } from './cross-site.ts'
import type { ConsolePorts } from './ports.ts'

/** Someone with a session, at one request. */
export interface Visitor {
  readonly request: Request
  readonly visit: Visit
  /** The native API as this visitor. */
  api(request: Request): Promise<Response>
}

/** Null for someone without a session. */
export async function visitorOf<Caller>(
  ports: ConsolePorts<Caller>,
  request: Request,
): Promise<Visitor | null> {
  const token = sessionToken(request)
  const caller = token === null ? null : await ports.readSession(token)
  if (token === null || caller === null) return null
  return {
    request,
    visit: { origin: originOf(request), csrfToken: await csrfTokenOf(token), nowMs: ports.nowMs() },
    api: (call) => ports.api(caller, call),
  }
}
