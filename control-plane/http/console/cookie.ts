const NAME = 'dalston_session'

export function sessionToken(request: Request): string | null {
  for (const part of (request.headers.get('cookie') ?? '').split(';')) {
    const [name, value] = part.trim().split('=', 2)
    if (name === NAME && value !== undefined && value !== '') return value
  }
  return null
}

/** Lax, so that links from elsewhere find the visitor signed in while posts from elsewhere do not. */
export function sessionCookie(request: Request, token: string, maxAgeSeconds: number): string {
  const secure = isSecure(request) ? '; Secure' : ''
  return `${NAME}=${token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${Math.max(0, Math.floor(maxAgeSeconds))}${secure}`
}

/** A proxy that ends TLS says so in a header. A client that forges it gets a cookie that only it cannot use. */
function isSecure(request: Request): boolean {
  return new URL(request.url).protocol === 'https:' || request.headers.get('x-forwarded-proto') === 'https'
}

/** Where the visitor reaches this server: shown in the lines to paste. */
export function originOf(request: Request): string {
  const url = new URL(request.url)
  return `${isSecure(request) ? 'https:' : url.protocol}//${url.host}`
}
