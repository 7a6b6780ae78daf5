import { z } from 'zod'
import { NO_REQUEST } from '#fragments/notice.ts'
import { PROBLEMS, Problem, type ProblemCode } from '#protocol/problem.ts'
import type { Visitor } from './visitor.ts'

/** What the native API answered: the value, or the problem to show. */
export type Answer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problem: Problem }

export interface Call {
  readonly method?: string
  readonly path: string
  readonly body?: unknown
}

/** One JSON exchange with the native API as the visitor. */
export async function ask<Schema extends z.ZodType>(
  visitor: Visitor,
  call: Call,
  schema: Schema,
): Promise<Answer<z.infer<Schema>>> {
  const response = await visitor.api(apiRequest(visitor, call))
  const body = await jsonOf(response)
  if (!response.ok) return { ok: false, problem: problemOf(response.status, body, call.path) }
  return { ok: true, value: schema.parse(body) }
}

function apiRequest(visitor: Visitor, call: Call): Request {
  const url = new URL(call.path, visitor.request.url)
  if (call.body === undefined) return new Request(url, { method: call.method ?? 'GET' })
  return new Request(url, {
    method: call.method ?? 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(call.body),
  })
}

/** Hands the visitor's own request on to a native route: the body streams through unread, and so does the answer. */
export function forward(visitor: Visitor, path: string): Promise<Response> {
  const { request } = visitor
  const headers = new Headers()
  for (const name of ['content-type', 'content-length']) {
    const value = request.headers.get(name)
    if (value !== null) headers.set(name, value)
  }
  // `duplex` is what Node asks of a request whose body is a stream; workerd ignores it.
  const init = {
    method: request.method,
    headers,
    body: request.body,
    signal: request.signal,
    duplex: 'half' as const,
  }
  return visitor.api(new Request(new URL(path, request.url), init))
}

async function jsonOf(response: Response): Promise<unknown> {
  const text = await response.text()
  try {
    return text === '' ? null : JSON.parse(text)
  } catch {
    // Not ours to answer with anything but JSON: the status stands alone.
    return null
  }
}

function problemOf(status: number, body: unknown, path: string): Problem {
  const result = Problem.safeParse(body)
  if (result.success) return result.data
  return problem('internal_error', `The server answered ${status} without saying why.`, path)
}

/** A problem of the console's own making. */
export function problem(code: ProblemCode, detail: string, instance: string): Problem {
  const { status, title } = PROBLEMS[code]
  return { type: `/problems/${code}`, title, status, detail, instance, code, request_id: NO_REQUEST }
}

/** For answers without a body, such as that of a delete. */
export const Nothing = z.null()
