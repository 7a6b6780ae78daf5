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
