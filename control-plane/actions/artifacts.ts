import { jobPrefix } from '#core/dispatch.ts'
import { jobIdOf } from '#protocol/ids.ts'
import type { TokenClaims } from '../access/task-token.ts'
import type { Bindings } from '../env.ts'
import { notFound, ProblemError } from '../problem-error.ts'

/** The largest body of one request: equal parts of this size, and single puts up to it. */
export const MAX_PART_BYTES = 32 * 1024 * 1024

/** A task reads what belongs to its job, whole or a range of it. */
export async function readArtifact(
  env: Bindings,
  claims: TokenClaims,
  key: string,
  range: Headers | null,
): Promise<R2ObjectBody> {
  if (!key.startsWith(jobPrefix(jobIdOf(claims.taskId)))) throw foreign(key)
  const object = range === null ? await env.BUCKET.get(key) : await env.BUCKET.get(key, { range })
  if (object === null) throw notFound('artifact')
  return object
}

export interface PartBody {
  readonly body: ReadableStream
  readonly contentType: string
}

/** A task writes under its own prefix, which carries its fence. */
export async function writeArtifact(
  env: Bindings,
  claims: TokenClaims,
  key: string,
  part: PartBody,
): Promise<number> {
  mayWrite(claims, key)
  const object = await env.BUCKET.put(key, part.body, { httpMetadata: { contentType: part.contentType } })
  return object.size
}

export async function startArtifact(
  env: Bindings,
  claims: TokenClaims,
  key: string,
  contentType: string,
): Promise<string> {
  mayWrite(claims, key)
  const { uploadId } = await env.BUCKET.createMultipartUpload(key, { httpMetadata: { contentType } })
  return uploadId
}

export async function writeArtifactPart(
  env: Bindings,
  claims: TokenClaims,
  part: {
    readonly key: string
    readonly uploadId: string
    readonly number: number
    readonly body: ReadableStream
  },
): Promise<string> {
  mayWrite(claims, part.key)
  const { etag } = await env.BUCKET.resumeMultipartUpload(part.key, part.uploadId).uploadPart(
    part.number,
    part.body,
  )
  return etag
}

export async function completeArtifact(
  env: Bindings,
  claims: TokenClaims,
  key: string,
  uploadId: string,
  parts: readonly { readonly part: number; readonly etag: string }[],
): Promise<number> {
  mayWrite(claims, key)
  const upload = env.BUCKET.resumeMultipartUpload(key, uploadId)
  const object = await upload.complete(parts.map(({ part, etag }) => ({ partNumber: part, etag })))
  return object.size
}

export async function abortArtifact(
  env: Bindings,
  claims: TokenClaims,
  key: string,
  uploadId: string,
): Promise<void> {
  mayWrite(claims, key)
  await env.BUCKET.resumeMultipartUpload(key, uploadId).abort()
}

function mayWrite(claims: TokenClaims, key: string): void {
  if (!key.startsWith(claims.outputPrefix) || key.length === claims.outputPrefix.length) throw foreign(key)
}

function foreign(key: string): ProblemError {
  return new ProblemError('forbidden', `This task token does not cover ${key.slice(0, 200)}.`)
}
