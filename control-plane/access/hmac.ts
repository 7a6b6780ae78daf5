/** HMAC-SHA-256 with WebCrypto, for stored hashes of secrets and for signed tokens. */
const encoder = new TextEncoder()

export async function hmac(secret: string, text: string): Promise<Uint8Array> {
  const key = await importKey(secret)
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, encoder.encode(text)))
}

/** Compares in constant time. */
export async function verifyHmac(secret: string, text: string, signature: Uint8Array): Promise<boolean> {
  return crypto.subtle.verify('HMAC', await importKey(secret), signature, encoder.encode(text))
}

/** What the tables keep of a key, token or link: HMAC-SHA-256 under the installation's secret, in hexadecimal. */
export async function hashSecret(pepper: string, secret: string): Promise<string> {
  const bytes = await hmac(pepper, `stored:${secret}`)
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

/** Null for what is no base64url. */
export function fromBase64Url(text: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
  } catch {
    return null
  }
}

function importKey(secret: string): Promise<CryptoKey> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  return crypto.subtle.importKey('raw', encoder.encode(secret), algorithm, false, ['sign', 'verify'])
}
