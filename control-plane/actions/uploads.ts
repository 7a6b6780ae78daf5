import { jobPrefix } from '#core/dispatch.ts'
import type { UploadView } from '#protocol/api.ts'
import { JobId, newId, TenantId, UploadId } from '#protocol/ids.ts'
import type { Artifact } from '#protocol/task.ts'
import { findJob } from '#store/jobs.ts'
import { multipartError } from '#store/multipart-error.ts'
import * as store from '#store/uploads.ts'
import type { Bindings } from '../env.ts'
import { notFound, ProblemError } from '../problem-error.ts'
import { randomBytes } from './access.ts'
import type { Caller } from './caller.ts'

/** Under the smallest request limit of the edge (100 MB), above R2's smallest part (5 MiB). */
export const UPLOAD_PART_BYTES = 32 * 1024 * 1024

/** Long enough to come back to an upload the next day. */
const ABANDONED_MS = 24 * 3_600_000
/** A bound on what one call pays for others. */
const SWEPT_AT_ONCE = 5

export async function createUpload(
  env: Bindings,
  caller: Caller,
  wanted: { readonly file_name: string; readonly size_bytes: number },
): Promise<UploadView> {
  const nowMs = Date.now()
  await sweepUploads(env, nowMs)
  const id = UploadId.parse(newId('upload', nowMs, randomBytes(16)))
  const objectKey = `${jobPrefix(jobIdOfUpload(id))}upload`
  const { uploadId: r2UploadId } = await env.BUCKET.createMultipartUpload(objectKey)
  const row: store.UploadRow = {
    id,
    tenantId: caller.tenantId,
    pool: caller.pool,
    fileName: wanted.file_name,
    sizeBytes: wanted.size_bytes,
    objectKey,
    r2UploadId,
    createdAtMs: nowMs,
    completedAtMs: null,
  }
  try {
    await store.saveUpload(env.DB, row)
  } catch (cause) {
    await dropObject(env, row)
    throw cause
  }
  return viewOf(row, [])
}

export async function readUpload(env: Bindings, caller: Caller, id: UploadId): Promise<UploadView> {
  return viewOf(await find(env, caller, id), await store.listUploadParts(env.DB, id))
}

/** Store one part; a part that comes again replaces the one before. `body` must have exactly the part's size. */
export async function writeUploadPart(
  env: Bindings,
  caller: Caller,
  part: {
    readonly id: UploadId
    readonly number: number
    readonly sizeBytes: number
    readonly body: ReadableStream
  },
): Promise<void> {
  const row = await find(env, caller, part.id)
  if (row.completedAtMs !== null)
    throw new ProblemError('conflict', 'This upload is complete: it takes no more parts.')
  const count = partCount(row)
  if (part.number > count) {
    throw new ProblemError(
      'invalid_request',
      `Expected a part number from 1 to ${count}, got ${part.number}.`,
    )
  }
  const expected = part.number < count ? UPLOAD_PART_BYTES : row.sizeBytes - (count - 1) * UPLOAD_PART_BYTES
  if (part.sizeBytes !== expected) {
    throw new ProblemError(
      'invalid_request',
      `Expected ${expected} bytes in part ${part.number}, got ${part.sizeBytes}.`,
    )
  }
  const upload = env.BUCKET.resumeMultipartUpload(row.objectKey, row.r2UploadId)
  const { etag } = await upload.uploadPart(part.number, part.body).catch(refuse)
  await store.saveUploadPart(env.DB, { uploadId: part.id, number: part.number, etag, sizeBytes: expected })
}

export async function completeUpload(env: Bindings, caller: Caller, id: UploadId): Promise<UploadView> {
  const row = await find(env, caller, id)
  const parts = await store.listUploadParts(env.DB, id)
  if (row.completedAtMs !== null) return viewOf(row, parts)
  const missing = missingParts(row, parts)
  if (missing.length > 0) {
    throw new ProblemError(
      'conflict',
      `Parts are missing: ${missing.slice(0, 20).join(', ')}. Send them, then complete.`,
    )
  }
  await completeObject(env, row, parts)
  const completedAtMs = Date.now()
  await store.completeUpload(env.DB, id, completedAtMs)
  return viewOf({ ...row, completedAtMs }, parts)
}

/** Gives an upload up. One that became a job belongs to the job. */
export async function deleteUpload(env: Bindings, caller: Caller, id: UploadId): Promise<void> {
  const row = await find(env, caller, id)
  if ((await findJob(env.DB, caller.tenantId, jobIdOfUpload(id))) !== null) {
    throw new ProblemError('conflict', `This upload became the job ${jobIdOfUpload(id)}: delete that.`)
  }
  await dropObject(env, row)
  await store.deleteUpload(env.DB, id)
}

/** The recording of a finished upload, for the one job that it becomes. */
export async function takeUpload(
  env: Bindings,
  caller: Caller,
  id: UploadId,
): Promise<{ readonly jobId: JobId; readonly upload: Artifact; readonly fileName: string }> {
  const row = await find(env, caller, id)
  if (row.completedAtMs === null) {
    throw new ProblemError('conflict', `The upload is not complete: POST /v1/uploads/${id}/complete first.`)
  }
  const { objectKey: key, sizeBytes: size_bytes, fileName } = row
  const upload = { name: 'upload', key, size_bytes, content_type: 'application/octet-stream' }
  return { jobId: jobIdOfUpload(id), upload, fileName }
}

/** An upload becomes the job of the same number: submitting it twice gives one job. */
function jobIdOfUpload(id: UploadId): JobId {
  return JobId.parse(id.replace('upload_', 'job_'))
}

/** The upload of which this job was made, if it was made of one. */
export function uploadIdOfJob(id: JobId): UploadId {
  return UploadId.parse(id.replace('job_', 'upload_'))
}

/**
 * What was given up without a word: every new upload clears a few that nobody touched for a day. What became a job keeps
 * its object, and loses only these rows.
 */
async function sweepUploads(env: Bindings, nowMs: number): Promise<void> {
  for (const row of await store.listStaleUploads(env.DB, nowMs - ABANDONED_MS, SWEPT_AT_ONCE)) {
    const id = UploadId.parse(row.id)
    const isJob = (await findJob(env.DB, TenantId.parse(row.tenantId), jobIdOfUpload(id))) !== null
    if (!isJob) await dropObject(env, row)
    await store.deleteUpload(env.DB, id)
  }
}

/** Makes the object of its parts. It may be there already: a completion that was cut off before its row was written. */
async function completeObject(
  env: Bindings,
  row: store.UploadRow,
  parts: readonly store.UploadPartRow[],
): Promise<void> {
  const upload = env.BUCKET.resumeMultipartUpload(row.objectKey, row.r2UploadId)
  try {
    await upload.complete(parts.map(({ number, etag }) => ({ partNumber: number, etag })))
  } catch (cause) {
    const object = multipartError(cause) === null ? null : await env.BUCKET.head(row.objectKey)
    if (object?.size !== row.sizeBytes) refuse(cause)
  }
}

/** Leaves neither parts nor object, whichever there are. */
async function dropObject(env: Bindings, row: store.UploadRow): Promise<void> {
  await env.BUCKET.resumeMultipartUpload(row.objectKey, row.r2UploadId)
    .abort()
    .catch((cause: unknown) => {
      if (multipartError(cause) === null) throw cause
    })
  await env.BUCKET.delete(row.objectKey)
}

function refuse(cause: unknown): never {
  if (multipartError(cause) === null) throw cause
  throw new ProblemError('conflict', 'The parts do not fit together any more: begin a new upload.')
}

async function find(env: Bindings, caller: Caller, id: UploadId): Promise<store.UploadRow> {
  const row = await store.findUpload(env.DB, caller.tenantId, id)
  if (row === null) throw notFound('upload')
  return row
}

function partCount(row: store.UploadRow): number {
  return Math.ceil(row.sizeBytes / UPLOAD_PART_BYTES)
}

function missingParts(row: store.UploadRow, parts: readonly store.UploadPartRow[]): number[] {
  const received = new Set(parts.map((part) => part.number))
  return Array.from({ length: partCount(row) }, (_, index) => index + 1).filter(
    (number) => !received.has(number),
  )
}

function viewOf(row: store.UploadRow, parts: readonly store.UploadPartRow[]): UploadView {
  return {
    id: UploadId.parse(row.id),
    file_name: row.fileName,
    size_bytes: row.sizeBytes,
    part_size_bytes: UPLOAD_PART_BYTES,
    part_count: partCount(row),
    received_parts: parts.map((part) => part.number),
    completed: row.completedAtMs !== null,
  }
}
