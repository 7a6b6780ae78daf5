import { CreateUpload } from '#protocol/api.ts'
import { UploadId } from '#protocol/ids.ts'
import * as uploads from '../actions/uploads.ts'
import { notFound, ProblemError } from '../problem-error.ts'
import { json, noContent, parse } from './answers.ts'
import { bodyOf, contentLength, drain, readJson } from './body.ts'
import type { KeyContext } from './context.ts'

/** Uploads in parts: for recordings over 100 MB, or on bad lines. */
export async function create({ request, env, caller }: KeyContext): Promise<Response> {
  const wanted = parse(CreateUpload, await readJson(request), 'request')
  const upload = await uploads.createUpload(env, caller, wanted)
  return json(upload, 201, { location: `/v1/uploads/${upload.id}` })
}

export async function read(context: KeyContext): Promise<Response> {
  return json(await uploads.readUpload(context.env, context.caller, uploadIdOf(context)))
}

export async function writePart(context: KeyContext): Promise<Response> {
  const { request, env, caller, params } = context
  const id = uploadIdOf(context)
  if (!/^[1-9]\d{0,4}$/.test(params.number ?? '')) {
    throw new ProblemError('invalid_request', `Expected a part number from 1, got "${params.number}".`)
  }
  const number = Number(params.number)
  const sizeBytes = contentLength(request, uploads.UPLOAD_PART_BYTES)
  await uploads.writeUploadPart(env, caller, { id, number, sizeBytes, body: bodyOf(request, sizeBytes) })
  return noContent()
}

export async function complete(context: KeyContext): Promise<Response> {
  await drain(context.request)
  return json(await uploads.completeUpload(context.env, context.caller, uploadIdOf(context)))
}

export async function remove(context: KeyContext): Promise<Response> {
  await uploads.deleteUpload(context.env, context.caller, uploadIdOf(context))
  return noContent()
}

function uploadIdOf(context: KeyContext): UploadId {
  const id = UploadId.safeParse(context.params.id)
  if (!id.success) throw notFound('upload')
  return id.data
}
