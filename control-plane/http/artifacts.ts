import { z } from 'zod'
import * as artifacts from '../actions/artifacts.ts'
import { ProblemError } from '../problem-error.ts'
import { json, noContent, parse } from './answers.ts'
import { bodyOf, contentLength, drain, readJson } from './body.ts'
import { byteRange } from './byte-range.ts'
import type { TaskContext } from './context.ts'

/** Artifact bytes between agents and R2, through the Worker, never through an object. */
const PREFIX = '/agent/v1/artifacts/'
const OCTETS = 'application/octet-stream'
/** R2's own limit. */
const MAX_KEY_BYTES = 1024
const Parts = z.strictObject({
  parts: z
    .array(z.strictObject({ part: z.int().min(1).max(10_000), etag: z.string().min(1).max(200) }))
    .min(1)
    .max(10_000)
    .refine(
      (parts) => new Set(parts.map(({ part }) => part)).size === parts.length,
      'expected each part once',
    ),
})

export async function read(context: TaskContext): Promise<Response> {
  const { request, env, claims, url } = context
  const key = keyOf(url)
  const header = request.headers.get('range')
  const range =
    header === null ? null : byteRange(header, (await artifacts.headArtifact(env, claims, key)).size)
  const object = await artifacts.readArtifact(env, claims, key, range)
  const headers = headersOf(object)
  if (range === null) return new Response(object.body, { headers })
  const last = range.offset + range.length - 1
  headers.set('content-length', String(range.length))
  headers.set('content-range', `bytes ${range.offset}-${last}/${object.size}`)
  return new Response(object.body, { status: 206, headers })
}

/** HEAD: everything but the bytes. */
export async function describe({ env, claims, url }: TaskContext): Promise<Response> {
  return new Response(null, { headers: headersOf(await artifacts.headArtifact(env, claims, keyOf(url))) })
}

export async function write(context: TaskContext): Promise<Response> {
  const { request, env, claims, url } = context
  const key = keyOf(url)
  const uploadId = url.searchParams.get('upload_id')
  const sizeBytes = contentLength(request, artifacts.MAX_PART_BYTES)
  const body = bodyOf(request, sizeBytes)
  if (uploadId === null) {
    const contentType = contentTypeOf(request)
    const size_bytes = await artifacts.writeArtifact(env, claims, key, { body, contentType })
    return json({ key, size_bytes }, 201)
  }
  const number = Number(url.searchParams.get('part'))
  if (!Number.isInteger(number) || number < 1 || number > 10_000) {
    throw new ProblemError('invalid_request', 'Expected `part` from 1 to 10000.')
  }
  const etag = await artifacts.writeArtifactPart(env, claims, { key, uploadId, number, body })
  return json({ part: number, etag })
}

export async function control({ request, env, claims, url }: TaskContext): Promise<Response> {
  const key = keyOf(url)
  if (url.searchParams.has('uploads')) {
    await drain(request)
    return json({ upload_id: await artifacts.startArtifact(env, claims, key, contentTypeOf(request)) })
  }
  const uploadId = url.searchParams.get('upload_id')
  if (uploadId === null || !url.searchParams.has('complete')) {
    throw new ProblemError('invalid_request', 'Expected `?uploads` or `?upload_id=…&complete`.')
  }
  const { parts } = parse(Parts, await readJson(request), 'list of parts')
  return json({ key, size_bytes: await artifacts.completeArtifact(env, claims, key, uploadId, parts) }, 201)
}

export async function abort({ env, claims, url }: TaskContext): Promise<Response> {
  const uploadId = url.searchParams.get('upload_id')
  if (uploadId === null) throw new ProblemError('invalid_request', 'Expected `?upload_id=…`.')
  await artifacts.abortArtifact(env, claims, keyOf(url), uploadId)
  return noContent()
}

function headersOf(object: R2Object): Headers {
  return new Headers({
    'accept-ranges': 'bytes',
    'content-length': String(object.size),
    'content-type': object.httpMetadata?.contentType ?? OCTETS,
    etag: object.httpEtag,
  })
}

function contentTypeOf(request: Request): string {
  return request.headers.get('content-type')?.slice(0, 100) ?? OCTETS
}

function keyOf(url: URL): string {
  const encoded = url.pathname.slice(PREFIX.length)
  if (encoded.length > MAX_KEY_BYTES) {
    throw new ProblemError('invalid_request', `Expected an artifact key of at most ${MAX_KEY_BYTES} bytes.`)
  }
  try {
    return decodeURIComponent(encoded)
  } catch {
    // The one case: a percent sign that encodes nothing.
    throw new ProblemError('invalid_request', 'Expected an artifact key in the path, correctly encoded.')
  }
}
