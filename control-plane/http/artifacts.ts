import { z } from 'zod'
import * as artifacts from '../actions/artifacts.ts'
import { ProblemError } from '../problem-error.ts'
import { bodyOf, contentLength, json, noContent, parse, readJson } from './answers.ts'
import type { TaskContext } from './context.ts'

/** Artifact bytes between agents and R2, through the Worker, never through an object. */
const PREFIX = '/agent/v1/artifacts/'
const OCTETS = 'application/octet-stream'
const Parts = z.strictObject({
  parts: z
    .array(z.strictObject({ part: z.int().min(1).max(10_000), etag: z.string().min(1).max(200) }))
    .min(1),
})

export async function read({ request, env, claims, url }: TaskContext): Promise<Response> {
  const range = request.headers.has('range') ? request.headers : null
  const object = await readOrRefuse(artifacts.readArtifact(env, claims, keyOf(url), range))
  const headers = new Headers({
    'accept-ranges': 'bytes',
    etag: object.httpEtag,
    'content-type': object.httpMetadata?.contentType ?? OCTETS,
  })
  const part = range === null ? null : rangeOf(object)
  headers.set('content-length', String(part?.length ?? object.size))
  if (part !== null)
    headers.set('content-range', `bytes ${part.offset}-${part.offset + part.length - 1}/${object.size}`)
  const body = request.method === 'HEAD' ? null : object.body
  return new Response(body, { status: part === null ? 200 : 206, headers })
}

export async function write(context: TaskContext): Promise<Response> {
  const { request, env, claims, url } = context
  const key = keyOf(url)
  const uploadId = url.searchParams.get('upload_id')
  const sizeBytes = contentLength(request, artifacts.MAX_PART_BYTES)
  // An empty stream of known length is what R2 takes for an empty object.
  const body = sizeBytes === 0 ? emptyBody() : bodyOf(request)
  if (uploadId === null) {
    const contentType = request.headers.get('content-type') ?? OCTETS
    return json(
      { key, size_bytes: await artifacts.writeArtifact(env, claims, key, { body, contentType }) },
      201,
    )
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
    await request.text()
    const contentType = request.headers.get('content-type') ?? OCTETS
    return json({ upload_id: await artifacts.startArtifact(env, claims, key, contentType) })
  }
  const uploadId = url.searchParams.get('upload_id')
  if (uploadId === null)
    throw new ProblemError('invalid_request', 'Expected `?uploads` or `?upload_id=…&complete`.')
  const { parts } = parse(Parts, await readJson(request), 'list of parts')
  return json({ key, size_bytes: await artifacts.completeArtifact(env, claims, key, uploadId, parts) }, 201)
}

export async function abort({ env, claims, url }: TaskContext): Promise<Response> {
  const uploadId = url.searchParams.get('upload_id')
  if (uploadId === null) throw new ProblemError('invalid_request', 'Expected `?upload_id=…`.')
  await artifacts.abortArtifact(env, claims, keyOf(url), uploadId)
  return noContent()
}

function keyOf(url: URL): string {
  return decodeURIComponent(url.pathname.slice(PREFIX.length))
}

function rangeOf(object: R2ObjectBody): { offset: number; length: number } {
  const range = object.range
  if (range === undefined) return { offset: 0, length: object.size }
  if ('suffix' in range)
    return { offset: Math.max(0, object.size - range.suffix), length: Math.min(range.suffix, object.size) }
  const offset = range.offset ?? 0
  return { offset, length: range.length ?? object.size - offset }
}

/** R2 throws for a range outside the object. */
async function readOrRefuse(reading: Promise<R2ObjectBody>): Promise<R2ObjectBody> {
  return reading.catch((cause: unknown) => {
    if (cause instanceof Error && /range/i.test(cause.message)) {
      throw new ProblemError('range_not_satisfiable', 'That range is outside the artifact.')
    }
    throw cause
  })
}

function emptyBody(): ReadableStream {
  const { readable, writable } = new FixedLengthStream(0)
  void writable.close()
  return readable
}
