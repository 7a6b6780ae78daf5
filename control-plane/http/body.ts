import { ProblemError } from '../problem-error.ts'

/** Request bodies: read within bounds, and never left unread, which would cost the client its connection. */

/** What one call between objects may carry; a task's result is the largest JSON that comes. */
const MAX_JSON_BYTES = 1024 * 1024
/** A client that is told no gets its answer after this much of its body, or this long, at the latest. */
const DRAIN_BYTES = 128 * 1024 * 1024
const DRAIN_MS = 10_000

/** The JSON body of a request; an empty one reads as {}. */
export async function readJson(request: Request): Promise<unknown> {
  const text = await readText(request)
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ProblemError('invalid_request', `Expected a JSON body: ${(cause as SyntaxError).message}`)
  }
}

/** The exact size that a body announces. */
export function contentLength(request: Request, maxBytes: number): number {
  const header = request.headers.get('content-length')
  if (header === null || !/^\d{1,15}$/.test(header)) {
    throw new ProblemError('length_required', 'Expected a Content-Length header with the size of the body.')
  }
  const sizeBytes = Number(header)
  if (sizeBytes > maxBytes) {
    throw new ProblemError('payload_too_large', `Expected at most ${maxBytes} bytes, got ${sizeBytes}.`)
  }
  return sizeBytes
}

/** The body of a request that announced `sizeBytes`. R2 takes an empty object from an empty stream of known length. */
export function bodyOf(request: Request, sizeBytes: number): ReadableStream<Uint8Array> {
  if (sizeBytes === 0) return emptyBody()
  if (request.body === null) throw new ProblemError('invalid_request', 'Expected a body, got none.')
  return request.body
}

/** Reads and drops what is left of a body. */
export async function drain(request: Request): Promise<void> {
  if (request.body === null || request.body.locked) return
  let sizeBytes = 0
  const sink = new WritableStream<Uint8Array>({
    write(chunk) {
      sizeBytes += chunk.length
      if (sizeBytes > DRAIN_BYTES) throw new Error('more than is worth reading')
    },
  })
  // Whoever sends on after the bound, or goes away while it is told no, is no error of ours.
  await request.body.pipeTo(sink, { signal: AbortSignal.timeout(DRAIN_MS) }).catch(() => undefined)
}

async function readText(request: Request): Promise<string> {
  if (request.body === null) return ''
  const reader = request.body.getReader()
  const decoder = new TextDecoder()
  let sizeBytes = 0
  let text = ''
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      sizeBytes += read.value.length
      if (sizeBytes > MAX_JSON_BYTES) {
        throw new ProblemError('payload_too_large', `Expected at most ${MAX_JSON_BYTES} bytes of JSON.`)
      }
      text += decoder.decode(read.value, { stream: true })
    }
  } finally {
    reader.releaseLock()
  }
  return text + decoder.decode()
}

function emptyBody(): ReadableStream<Uint8Array> {
  const { readable, writable } = new FixedLengthStream(0)
  void writable.close()
  return readable
}
