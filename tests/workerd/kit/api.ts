import { CreatedJob, JobDocument } from '#protocol/api.ts'
import { Problem } from '#protocol/problem.ts'
import type { Server } from './server.ts'

/** Calls of the HTTP API as a client makes them, and what every answer must look like. */
export const TRANSCRIPTIONS = '/v1/audio/transcriptions'

export interface Call {
  readonly method?: string
  /** Bearer; null for none; the server's first key where it is not given. */
  readonly token?: string | null
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: BodyInit | null
}

export function call(server: Server, path: string, options: Call = {}): Promise<Response> {
  const { method = 'GET', token = server.key, headers = {}, body = null } = options
  const authorization: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` }
  const stream = body instanceof ReadableStream ? { duplex: 'half' } : {}
  const init = { method, headers: { ...authorization, ...headers }, body, ...stream }
  return fetch(new URL(path, server.url), init as RequestInit)
}

export function callJson(server: Server, path: string, body: unknown, options: Call = {}): Promise<Response> {
  const headers = { 'content-type': 'application/json', ...options.headers }
  return call(server, path, { method: 'POST', ...options, headers, body: JSON.stringify(body) })
}

/** A form with a recording (or what stands for one) and fields. */
export function formOf(
  fields: Readonly<Record<string, string>> = {},
  file: string | Uint8Array<ArrayBuffer> = 'RIFF…',
): FormData {
  const form = new FormData()
  form.append('file', new Blob([file]), 'call.wav')
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  return form
}

export function submit(server: Server, form: FormData, token?: string): Promise<Response> {
  return call(server, TRANSCRIPTIONS, {
    method: 'POST',
    body: form,
    ...(token === undefined ? {} : { token }),
  })
}

export async function submitted(
  server: Server,
  fields: Readonly<Record<string, string>> = {},
): Promise<CreatedJob> {
  const response = await submit(server, formOf(fields))
  if (response.status !== 201) throw new Error(`submit: ${response.status} ${await response.text()}`)
  return CreatedJob.parse(await response.json())
}

export async function readJob(server: Server, id: string, token = server.key): Promise<JobDocument> {
  const response = await call(server, `${TRANSCRIPTIONS}/${id}`, { token })
  if (response.status !== 200) throw new Error(`GET ${id}: ${response.status} ${await response.text()}`)
  return JobDocument.parse(await response.json())
}

/** The problem of an answer, after checking its form (RFC 9457, our members, a request id, no stack trace). */
export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text()
  const shown = `${response.status} ${text.slice(0, 500)}`
  if (response.headers.get('content-type') !== 'application/problem+json')
    throw new Error(`no problem: ${shown}`)
  const problem = Problem.strict().parse(JSON.parse(text))
  if (problem.status !== response.status) throw new Error(`its status is another: ${shown}`)
  if (problem.type !== `/problems/${problem.code}`) throw new Error(`its type is another: ${shown}`)
  if (problem.request_id !== response.headers.get('x-request-id')) throw new Error(`no request id: ${shown}`)
  if (/\bat .+:\d+:\d+|\.[jt]s\b|node_modules/.test(text)) throw new Error(`a stack trace: ${shown}`)
  return problem
}
