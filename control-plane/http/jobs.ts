import { z } from 'zod'
import { ExportFormat, ListJobsQuery } from '#protocol/api.ts'
import { JobId } from '#protocol/ids.ts'
import { Stage } from '#protocol/stage.ts'
import { CreateJobFields } from '#protocol/submit.ts'
import {
  cancelJob,
  deleteJob,
  followJob,
  type JobReading,
  listJobs,
  readJob,
  traceJob,
} from '../actions/jobs.ts'
import { rerunJob } from '../actions/rerun.ts'
import { Submission, traceOf } from '../actions/submit.ts'
import { notFound, ProblemError } from '../problem-error.ts'
import { json, noContent, parse } from './answers.ts'
import { drain, readJson } from './body.ts'
import type { KeyContext } from './context.ts'
import { exportBody, jobDocument } from './documents.ts'
import { readForm } from './multipart.ts'
import { refuseOpenAiShape } from './openai.ts'

/** The native batch API: parse → ask → answer. */
export async function create({ request, env, caller }: KeyContext): Promise<Response> {
  const submission = new Submission(env, caller, traceOf(request))
  try {
    const isJson = /^application\/json\s*(;|$)/i.test(request.headers.get('content-type') ?? '')
    const form = isJson ? formOf(await readJson(request)) : await readForm(request, submission)
    refuseOpenAiShape(form)
    const job = await submission.finish(parse(CreateJobFields, form, 'request'))
    return json(job, 201, { location: `/v1/audio/transcriptions/${job.id}` })
  } catch (error) {
    // The router reads what is left of the body, and answers.
    await submission.abort()
    throw error
  }
}

export async function list({ env, caller, url }: KeyContext): Promise<Response> {
  const query = parse(ListJobsQuery.strict(), Object.fromEntries(url.searchParams), 'query')
  return json(await listJobs(env, caller, query))
}

export async function read(context: KeyContext): Promise<Response> {
  const reading = await readJob(context.env, context.caller, jobIdOf(context))
  return new Response(jobDocument(reading), {
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
  })
}

export async function remove(context: KeyContext): Promise<Response> {
  await deleteJob(context.env, context.caller, jobIdOf(context))
  return noContent()
}

export async function cancel(context: KeyContext): Promise<Response> {
  await drain(context.request)
  return json(await cancelJob(context.env, context.caller, jobIdOf(context)))
}

/** `{from_stage, …}`: besides it the fields of a submit, for what should be otherwise than before. */
export async function rerun(context: KeyContext): Promise<Response> {
  const { env, caller, request } = context
  const { from_stage, ...rest } = parse(z.looseObject({ from_stage: Stage }), await readJson(request), 'body')
  const form = formOf(rest)
  const fields = parse(CreateJobFields.omit({ upload_id: true, pool: true }), form, 'body')
  const given = new Set(Object.keys(form))
  const job = await rerunJob(env, caller, jobIdOf(context), {
    fromStage: from_stage,
    fields,
    given,
    trace: traceOf(request),
  })
  return json(job, 201, { location: `/v1/audio/transcriptions/${job.id}` })
}

export async function trace(context: KeyContext): Promise<Response> {
  return json(await traceJob(context.env, context.caller, jobIdOf(context)))
}

export async function events(context: KeyContext): Promise<Response> {
  return followJob(context.env, context.caller, jobIdOf(context), context.request)
}

export async function exportAs(context: KeyContext): Promise<Response> {
  const format = ExportFormat.safeParse(context.params.format)
  if (!format.success) {
    const known = ExportFormat.options.join(', ')
    throw new ProblemError(
      'not_found',
      `Expected an export format of ${known}, got "${context.params.format?.slice(0, 100)}".`,
    )
  }
  const reading: JobReading = await readJob(context.env, context.caller, jobIdOf(context))
  if (reading.segments === null) {
    throw new ProblemError(
      'conflict',
      `The job is ${reading.view.status}: only a completed one can be exported.`,
    )
  }
  const { body, contentType } = exportBody(format.data, reading, reading.segments, context.url.searchParams)
  return new Response(body, {
    headers: {
      'content-type': contentType,
      'content-disposition': `attachment; filename="${reading.view.id}.${format.data}"`,
      'cache-control': 'no-store',
    },
  })
}

/** Form fields are text; JSON may say the same with its own types. */
function formOf(body: unknown): Record<string, unknown> {
  const fields = parse(z.record(z.string(), z.unknown()), body, 'body')
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)
  return Object.fromEntries(entries.map(([name, value]): [string, string] => [name, textOf(value)]))
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function jobIdOf(context: KeyContext): JobId {
  const id = JobId.safeParse(context.params.id)
  if (!id.success) throw notFound('transcription')
  return id.data
}
