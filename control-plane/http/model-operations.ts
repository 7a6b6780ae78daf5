import { CreateModelOperation } from '#protocol/model-order.ts'
import { beginOperation, followOperation, readOperation } from '../actions/model-operations.ts'
import { json, parse } from './answers.ts'
import { readJson } from './body.ts'
import type { KeyContext } from './context.ts'

/** Orders to agents about models: begun, looked at, watched. */
export async function create({ request, env, caller }: KeyContext): Promise<Response> {
  const asked = parse(CreateModelOperation, await readJson(request), 'request')
  const operation = await beginOperation(env, caller, asked)
  return json(operation, 202, { location: `/v1/models/operations/${operation.id}` })
}

export async function read({ env, caller, params }: KeyContext): Promise<Response> {
  return json(await readOperation(env, caller, params.id ?? ''))
}

export async function events({ request, env, caller, params }: KeyContext): Promise<Response> {
  return followOperation(env, caller, params.id ?? '', request)
}
