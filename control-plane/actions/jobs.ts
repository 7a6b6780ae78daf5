import { jobPrefix } from '#core/dispatch.ts'
import type { JobList } from '#protocol/api.ts'
import { JobId } from '#protocol/ids.ts'
import { isTerminal, type JobStatus, type JobView } from '#protocol/job.ts'
import type { JobTrace } from '#protocol/trace.ts'
import type { Segment } from '#protocol/transcript.ts'
import { deletePrefix, readMergedSegments } from '#store/artifacts.ts'
import { buryJob, findJob, listJobs as listRows } from '#store/jobs.ts'
import { deleteUpload } from '#store/uploads.ts'
import type { Bindings } from '../env.ts'
import { notFound, ProblemError } from '../problem-error.ts'
import type { Caller } from './caller.ts'
import { uploadIdOfJob } from './uploads.ts'

/** What a caller may ask of a job. D1 says first that it exists and is theirs; only then is its object called. */
export interface JobQuery {
  readonly limit: number
  readonly cursor?: string | undefined
  readonly status?: JobStatus | undefined
}

export async function listJobs(env: Bindings, caller: Caller, query: JobQuery): Promise<JobList> {
  const before = query.cursor === undefined ? null : JobId.safeParse(query.cursor)
  if (before !== null && !before.success) {
    throw new ProblemError('invalid_request', 'Expected the `cursor` of an earlier answer.')
  }
  const filter = { limit: query.limit + 1, before: before?.data ?? null, status: query.status ?? null }
  const rows = await listRows(env.DB, caller.tenantId, filter)
  const jobs = rows.slice(0, query.limit)
  const has_more = rows.length > query.limit
  return { jobs, cursor: has_more ? (jobs.at(-1)?.id ?? null) : null, has_more }
}

export interface JobReading {
  readonly view: JobView
  /** The segments of a completed job, read anew at each call; null while there are none. */
  readonly segments: (() => AsyncIterable<Segment>) | null
}

export async function readJob(env: Bindings, caller: Caller, id: JobId): Promise<JobReading> {
  await statusOf(env, caller, id)
  const reading = await env.JOB.getByName(id).read()
  if (reading === null) throw notFound('transcription')
  const { view, transcriptKey } = reading
  const isReadable = view.status === 'completed' && transcriptKey !== null
  return { view, segments: isReadable ? () => readMergedSegments(env.BUCKET, transcriptKey) : null }
}

export async function cancelJob(env: Bindings, caller: Caller, id: JobId): Promise<JobView> {
  await statusOf(env, caller, id)
  const job = env.JOB.getByName(id)
  const answer = await job.tell({ type: 'cancel' })
  const reading = await job.read()
  if (answer === 'gone' || reading === null) throw notFound('transcription')
  if (answer === 'conflict') {
    throw new ProblemError(
      'conflict',
      `The job is ${reading.view.status}: only one that has not ended can be cancelled.`,
    )
  }
  return reading.view
}

/**
 * The tombstone comes after the content: until then the call can be repeated. What a late writer stored meanwhile is
 * swept after it; one that comes later sees the tombstone and takes its object away itself.
 */
export async function deleteJob(env: Bindings, caller: Caller, id: JobId): Promise<void> {
  const reading = await readJob(env, caller, id)
  if (!isTerminal(reading.view.status)) {
    throw new ProblemError('conflict', `The job is ${reading.view.status}: cancel it first, then delete it.`)
  }
  await deletePrefix(env.BUCKET, jobPrefix(id))
  await deleteUpload(env.DB, uploadIdOfJob(id))
  if (!(await env.JOB.getByName(id).destroy())) {
    const detail = 'The tasks of this job could not be taken back from their agents yet: delete it again.'
    throw new ProblemError('unavailable', detail, {}, { 'retry-after': '2' })
  }
  await buryJob(env.DB, caller.tenantId, id, Date.now())
  await deletePrefix(env.BUCKET, jobPrefix(id))
}

export async function traceJob(env: Bindings, caller: Caller, id: JobId): Promise<JobTrace> {
  await statusOf(env, caller, id)
  const trace = await env.JOB.getByName(id).trace()
  if (trace === null) throw notFound('transcription')
  return trace
}

/** The job's event stream; the request carries Last-Event-ID and the signal that tells when the reader has gone. */
export async function followJob(
  env: Bindings,
  caller: Caller,
  id: JobId,
  request: Request,
): Promise<Response> {
  await statusOf(env, caller, id)
  const response = await env.JOB.getByName(id).fetch(request)
  if (response.status === 404) throw notFound('transcription')
  return response
}

/** Whether the job exists and is the caller's. */
export async function statusOf(env: Bindings, caller: Caller, id: JobId): Promise<JobStatus> {
  const status = await findJob(env.DB, caller.tenantId, id)
  if (status === null) throw notFound('transcription')
  return status
}
