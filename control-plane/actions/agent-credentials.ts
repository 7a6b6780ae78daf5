import type { Joined } from '#protocol/api.ts'
import { AgentId, newId } from '#protocol/ids.ts'
import { KEY_RANDOM_BYTES, keyPrefix, newKey } from '#protocol/key.ts'
import { type AgentRow, findAgent, promoteCredential, saveAgent, saveNextCredential } from '#store/agents.ts'
import { useJoinToken } from '#store/join-tokens.ts'
import { hashSecret } from '../access/hmac.ts'
import type { Bindings } from '../env.ts'
import { randomBytes } from './access.ts'
import type { Invitation } from './join-tokens.ts'

/** How long a credential outlives the asking for its successor, when that is not used. */
const OVERLAP_MS = 24 * 3_600_000

/** An agent, and which of its credentials it showed. */
export interface AgentIdentity extends AgentRow {
  readonly credentialHash: string
}

/** A join token becomes a credential of one agent; null for one that ended since it was looked at. */
export async function joinAgent(env: Bindings, invitation: Invitation, name: string): Promise<Joined | null> {
  const nowMs = Date.now()
  if (!(await useJoinToken(env.DB, invitation.id, nowMs))) return null
  const { tenantId, pool } = invitation
  const { credential, hash } = await newCredential(env)
  const id = AgentId.parse(newId('agent', nowMs, randomBytes(16)))
  await saveAgent(env.DB, { id, tenantId, pool, name, credentialHash: hash, createdAtMs: nowMs })
  return { agent_id: id, pool, credential }
}

/**
 * The agent of a credential; null for one that is malformed, unknown, revoked or replaced. A new one takes the place of
 * the one before when it is first used, whatever for.
 */
export async function agentOfCredential(env: Bindings, credential: string): Promise<AgentIdentity | null> {
  if (keyPrefix(credential) !== 'da') return null
  const hash = await hashSecret(env.TOKEN_SECRET, credential)
  const found = await findAgent(env.DB, hash)
  if (found === null) return null
  const { shown, nextAtMs, ...agent } = found
  if (shown === 'next') await promoteCredential(env.DB, agent.id, hash)
  else if (nextAtMs !== null && nextAtMs + OVERLAP_MS <= Date.now()) return null
  return { ...agent, credentialHash: hash }
}

/** A next credential beside the one that was shown, in place of a next one before; null when that one is over by now. */
export async function rotateCredential(env: Bindings, agent: AgentIdentity): Promise<string | null> {
  const { credential, hash } = await newCredential(env)
  const next = { hash, atMs: Date.now() }
  return (await saveNextCredential(env.DB, agent.id, agent.credentialHash, next)) ? credential : null
}

async function newCredential(env: Bindings): Promise<{ readonly credential: string; readonly hash: string }> {
  const credential = newKey('da', randomBytes(KEY_RANDOM_BYTES))
  return { credential, hash: await hashSecret(env.TOKEN_SECRET, credential) }
}
