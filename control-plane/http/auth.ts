import { type TokenClaims, verifyTaskToken } from '../access/task-token.ts'
import { callerOfKey } from '../actions/access.ts'
import { type AgentIdentity, agentOfCredential } from '../actions/agent-credentials.ts'
import type { Caller } from '../actions/caller.ts'
import { type Invitation, invitationOf } from '../actions/join-tokens.ts'
import type { Bindings } from '../env.ts'
import { ProblemError } from '../problem-error.ts'

/** Which credential a route takes. No route takes another kind's. */
export async function requireKey(request: Request, env: Bindings): Promise<Caller> {
  const key = bearer(request)
  const caller = key === null ? null : await callerOfKey(env, key)
  if (caller !== null) return caller
  const came = key === null ? 'no key' : 'one that is not valid'
  throw unauthorized(
    `Expected an API key (Authorization: Bearer dk_…), got ${came}. The first key is in admin.key of the data folder.`,
  )
}

export async function requireInvitation(request: Request, env: Bindings): Promise<Invitation> {
  const token = bearer(request)
  const invited = token === null ? null : await invitationOf(env, token)
  if (invited?.ok) return invited.invitation
  throw invitationOver(invited?.why ?? null)
}

export function invitationOver(why: string | null): ProblemError {
  const what = why === null ? 'Expected a join token (dj_…) that is valid now.' : `This join token ${why}.`
  return unauthorized(`${what} Get a new one with \`dalston agents token\`.`)
}

export async function requireAgent(request: Request, env: Bindings): Promise<AgentIdentity> {
  const credential = bearer(request)
  const agent = credential === null ? null : await agentOfCredential(env, credential)
  if (agent === null) throw credentialOver()
  return agent
}

export function credentialOver(): ProblemError {
  return unauthorized(
    "Expected an agent's credential (da_…) that is valid: this one is unknown, revoked or replaced. Join again with a join token.",
  )
}

export async function requireTask(request: Request, env: Bindings): Promise<TokenClaims> {
  const token = bearer(request)
  const claims = token === null ? null : await verifyTaskToken(env.TOKEN_SECRET, token, Date.now())
  if (claims === null) throw unauthorized('Expected a task token that is valid now.')
  return claims
}

function unauthorized(detail: string): ProblemError {
  return new ProblemError('unauthorized', detail, {}, { 'www-authenticate': 'Bearer' })
}

function bearer(request: Request): string | null {
  const match = /^Bearer ([\x21-\x7e]{1,2000})$/i.exec(request.headers.get('authorization') ?? '')
  return match?.[1] ?? null
}
