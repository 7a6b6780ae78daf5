import { KEY, type KitConsole, kitConsole } from './console.ts'

/** A visitor with a cookie jar, who says of each request what a browser would. */
export interface Visitor {
  readonly kit: KitConsole
  get(path: string, headers?: Record<string, string>): Promise<Response>
  post(path: string, options?: PostOptions): Promise<Response>
  /** The token of the pages that this visitor has open. */
  csrfToken(): Promise<string>
}

interface PostOptions {
  readonly form?: Record<string, string>
  readonly body?: FormData
  readonly headers?: Record<string, string>
}

export const ORIGIN = 'https://dalston.test'
const SAME_SITE = { 'sec-fetch-site': 'same-origin', origin: ORIGIN }

export function aStranger(kit = kitConsole(() => Date.now())): Visitor {
  let cookie = ''
  const send = async (path: string, init: RequestInit & { headers: Record<string, string> }) => {
    const headers = cookie === '' ? init.headers : { ...init.headers, cookie }
    const response = await kit.fetch(new Request(`${ORIGIN}${path}`, { ...init, headers }))
    if (response === undefined) throw new Error(`no console route for ${path}`)
    const set = response.headers.get('set-cookie')
    if (set !== null) cookie = set.split(';')[0] ?? ''
    return response
  }
  const get: Visitor['get'] = (path, headers = { 'sec-fetch-site': 'none' }) => send(path, { headers })
  return {
    kit,
    get,
    post: (path, { form, body, headers = SAME_SITE } = {}) =>
      send(path, { method: 'POST', headers, body: body ?? new URLSearchParams(form) }),
    async csrfToken() {
      const page = await (await get('/jobs')).text()
      const token = /name="csrf_token" value="([0-9a-f]{64})"/.exec(page)?.[1]
      if (token === undefined) throw new Error('the page carries no token')
      return token
    },
  }
}

/** Someone who has signed in with the key. */
export async function aVisitor(): Promise<Visitor> {
  const visitor = aStranger()
  const response = await visitor.post('/sign-in', { form: { key: KEY } })
  if (response.status !== 303) throw new Error(`sign-in answered ${response.status}`)
  return visitor
}
