import { CSRF_FIELD } from '#fragments/form.ts'

/**
 * Two locks against posts from other sites, besides the cookie's SameSite: what the browser says about the origin, and
 * a token that only our own pages carry.
 */

/** True when the browser says that another site made this request. Clients that say nothing are no browsers. */
export function isCrossSite(request: Request): boolean {
  const site = request.headers.get('sec-fetch-site')
  if (site !== null) return site !== 'same-origin' && site !== 'none'
  const origin = request.headers.get('origin')
  // `null` is what a sandboxed frame sends. Hosts are compared, since a proxy may have ended TLS.
  return origin !== null && (!URL.canParse(origin) || new URL(origin).host !== new URL(request.url).host)
}

/** Derived from the session token, which scripts cannot read: nothing to store, and new with every session. */
export async function csrfTokenOf(sessionToken: string): Promise<string> {
  const bytes = new TextEncoder().encode(`csrf:${sessionToken}`)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The token from the header that our scripts send, else from a form's hidden field. Reads the body only for the latter. */
export async function sentCsrfToken(request: Request): Promise<string | null> {
  const header = request.headers.get('x-csrf-token')
  if (header !== null) return header
  return (await formFields(request)).get(CSRF_FIELD)
}

/** The fields of a small form; any other body is left unread and has none. */
export async function formFields(request: Request): Promise<URLSearchParams> {
  const type = request.headers.get('content-type') ?? ''
  if (!type.startsWith('application/x-www-form-urlencoded')) return new URLSearchParams()
  return new URLSearchParams(await request.text())
}

/** Compares without telling by its time where the first difference is. */
export function isSameToken(sent: string | null, expected: string): boolean {
  if (sent === null || sent.length !== expected.length) return false
  let difference = 0
  for (let index = 0; index < expected.length; index++) {
    difference |= sent.charCodeAt(index) ^ expected.charCodeAt(index)
  }
  return difference === 0
}
