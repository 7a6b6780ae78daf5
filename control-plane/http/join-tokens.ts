import { CreateJoinToken } from '#protocol/api.ts'
import { JoinTokenId } from '#protocol/ids.ts'
import { createJoinToken, listJoinTokens, revokeJoinToken } from '../actions/join-tokens.ts'
import { notFound } from '../problem-error.ts'
import { json, noContent, parse } from './answers.ts'
import { readJson } from './body.ts'
import type { KeyContext } from './context.ts'

/** The tokens with which agents join the tenant's pools. */
export async function create({ request, env, caller }: KeyContext): Promise<Response> {
  const wanted = parse(CreateJoinToken, await readJson(request), 'request')
  return json(await createJoinToken(env, caller, wanted), 201)
}

export async function list({ env, caller }: KeyContext): Promise<Response> {
  return json({ tokens: await listJoinTokens(env, caller) })
}

export async function revoke({ env, caller, params }: KeyContext): Promise<Response> {
  const id = JoinTokenId.safeParse(params.id)
  if (!id.success) throw notFound('join token')
  await revokeJoinToken(env, caller, id.data)
  return noContent()
}
