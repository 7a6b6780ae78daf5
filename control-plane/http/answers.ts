import type { z } from 'zod'
import { PROBLEMS, type Problem } from '#protocol/problem.ts'
import { ProblemError } from '../problem-error.ts'

/** Answers, and the parsing of what was asked. */
export function json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', ...headers },
  })
}

export function noContent(): Response {
  return new Response(null, { status: 204 })
}

/** RFC 9457. */
export function problemResponse(error: ProblemError, path: string, requestId: string): Response {
  const problem: Problem = {
    type: `/problems/${error.code}`,
    title: PROBLEMS[error.code].title,
    status: error.status,
    detail: error.message,
    instance: path,
    code: error.code,
    request_id: requestId,
    ...error.members,
  }
  return json(problem, error.status, { 'content-type': 'application/problem+json', ...error.headers })
}

/** A value by its schema; what does not fit becomes a 400 that names each field. */
export function parse<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const errors = result.error.issues.flatMap((issue) => {
    const path = issue.path.join('/')
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ pointer: `/${key}`, detail: `unknown field "${key}"` }))
    }
    return [{ pointer: `/${path}`, detail: issue.message }]
  })
  const first = errors.map((error) => `${error.pointer.slice(1)}: ${error.detail}`).join('; ')
  throw new ProblemError('invalid_request', `The ${what} is not valid: ${first}`.slice(0, 1000), { errors })
}

/** The JSON body of a request; an empty one reads as {}. */
export async function readJson(request: Request): Promise<unknown> {
  const text = await request.text()
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ProblemError('invalid_request', `Expected a JSON body: ${(cause as Error).message}`)
  }
}

/** The exact size that a body announces. */
export function contentLength(request: Request, maxBytes: number): number {
  const header = request.headers.get('content-length')
  if (header === null || !/^\d+$/.test(header)) {
    throw new ProblemError('length_required', 'Expected a Content-Length header with the size of the body.')
  }
  const sizeBytes = Number(header)
  if (sizeBytes > maxBytes) {
    throw new ProblemError('payload_too_large', `Expected at most ${maxBytes} bytes, got ${sizeBytes}.`)
  }
  return sizeBytes
}

/** The body, which a handler must consume: an unread one costs the client its connection. */
export function bodyOf(request: Request): ReadableStream<Uint8Array> {
  if (request.body === null) throw new ProblemError('invalid_request', 'Expected a body, got none.')
  return request.body
}

export async function drain(request: Request): Promise<void> {
  if (request.body === null || request.bodyUsed) return
  // A client that goes away while it is told no is no error of ours.
  await request.body.pipeTo(new WritableStream()).catch(() => undefined)
}
