import { jobPrefix } from '#core/dispatch.ts'
import { jobIdOf } from '#protocol/ids.ts'
import { dropLateObject } from '#store/late-object.ts'
import { multipartError } from '#store/multipart-error.ts'
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
  range: R2Range | null,
): Promise<R2ObjectBody> {
  mayRead(claims, key)
  const object = range === null ? await env.BUCKET.get(key) : await env.BUCKET.get(key, { range })
  if (object === null) throw notFound('artifact')
  return object
}

export async function headArtifact(env: Bindings, claims: TokenClaims, key: string): Promise<R2Object> {
  mayRead(claims, key)
  const object = await env.BUCKET.head(key)
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
  await keepUnlessBuried(env, claims, key)
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
  const upload = env.BUCKET.resumeMultipartUpload(part.key, part.uploadId)
  const { etag } = await upload.uploadPart(part.number, part.body).catch(refuse)
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
  const uploaded = parts.map(({ part, etag }) => ({ partNumber: part, etag }))
  const object = await upload.complete(uploaded).catch(refuse)
  await keepUnlessBuried(env, claims, key)
  return object.size
}

/** Aborting what was completed or aborted before changes nothing. */
export async function abortArtifact(
  env: Bindings,
  claims: TokenClaims,
  key: string,
  uploadId: string,
): Promise<void> {
  mayWrite(claims, key)
  await env.BUCKET.resumeMultipartUpload(key, uploadId)
    .abort()
    .catch((cause: unknown) => {
      if (multipartError(cause) === null) throw cause
    })
}

async function keepUnlessBuried(env: Bindings, claims: TokenClaims, key: string): Promise<void> {
  if (!(await dropLateObject(env.JOB.getByName(jobIdOf(claims.taskId)), env.BUCKET, key))) return
  throw new ProblemError('gone', 'The job was deleted: it takes no more artifacts.')
}

function refuse(cause: unknown): never {
  switch (multipartError(cause)) {
    case 'unknown':
      throw notFound('multipart upload')
    case 'parts':
      throw new ProblemError(
        'invalid_request',
        'The parts do not fit: expected the tags as answered, and equal sizes of 5 MiB or more but for the last.',
      )
    default:
      throw cause
  }
}

function mayRead(claims: TokenClaims, key: string): void {
  if (!key.startsWith(jobPrefix(jobIdOf(claims.taskId)))) throw foreign(key)
}

function mayWrite(claims: TokenClaims, key: string): void {
  if (!key.startsWith(claims.outputPrefix) || key.length === claims.outputPrefix.length) throw foreign(key)
}

function foreign(key: string): ProblemError {
  return new ProblemError('forbidden', `This task token does not cover ${key.slice(0, 200)}.`)
}
