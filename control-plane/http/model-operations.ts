import { Pool } from '#protocol/ids.ts'
import { CreateModelOperation } from '#protocol/model-order.ts'
import type { Caller } from '../actions/caller.ts'
import {
  beginOperation,
  cancelOperation,
  followOperation,
  readOperation,
} from '../actions/model-operations.ts'
import { json, parse } from './answers.ts'
import { readJson } from './body.ts'
import type { KeyContext } from './context.ts'

/** Orders to agents about models: begun, looked at, watched, cancelled. */
export async function create({ request, env, caller }: KeyContext): Promise<Response> {
  const asked = parse(CreateModelOperation, await readJson(request), 'request')
  const operation = await beginOperation(env, inPool(caller, asked.pool), asked)
  const query = asked.pool === undefined ? '' : `?pool=${asked.pool}`
  return json(operation, 202, { location: `/v1/models/operations/${operation.id}${query}` })
}

export async function read({ env, caller, params, url }: KeyContext): Promise<Response> {
  return json(await readOperation(env, inPool(caller, poolOf(url)), params.id ?? ''))
}

export async function events({ request, env, caller, params, url }: KeyContext): Promise<Response> {
  return followOperation(env, inPool(caller, poolOf(url)), params.id ?? '', request)
}

export async function cancel({ env, caller, params, url }: KeyContext): Promise<Response> {
  return json(await cancelOperation(env, inPool(caller, poolOf(url)), params.id ?? ''))
}

/** An operation is kept where its agents are. */
function poolOf({ searchParams }: URL): Pool | undefined {
  const pool = searchParams.get('pool')
  return pool === null ? undefined : parse(Pool, pool, 'pool')
}

function inPool(caller: Caller, pool: Pool | undefined): Caller {
  return pool === undefined ? caller : { ...caller, pool }
}
