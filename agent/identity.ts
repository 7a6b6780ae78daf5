import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { backoffMs } from './backoff.ts'
import type { AgentConfig } from './config.ts'
import { type Credential, joinServer, readCredential, writeCredential } from './credential.ts'
import type { Log } from './log.ts'

export interface IdentityOptions {
  readonly config: AgentConfig
  readonly dispatcher: Dispatcher
  readonly log: Log
  readonly random: () => number
  readonly signal: AbortSignal
}

export type Identified =
  | { readonly ok: true; readonly credential: Credential }
  | { readonly ok: false; readonly sentence: string }

/** The stored credential, else a new one for the join token; waits for a server that is not there yet. */
export async function identify(options: IdentityOptions): Promise<Identified> {
  const { config } = options
  const stored = await readCredential(config.dataFolder, config.server)
  return stored === null ? await join(options) : { ok: true, credential: stored }
}

/** Buys a new credential and stores it. Rejects only when `signal` aborts, or when the data folder cannot be written. */
export async function join({
  config,
  dispatcher,
  log,
  random,
  signal,
}: IdentityOptions): Promise<Identified> {
  const { joinToken, server, name, dataFolder, timing } = config
  if (joinToken === null) {
    const sentence = `${dataFolder} holds no credential for ${server}: a join token is needed (--token).`
    return { ok: false, sentence }
  }
  const limits = { baseMs: timing.backoffBaseMs, capMs: timing.backoffCapMs }
  for (let tries = 0; ; tries++) {
    const answer = await joinServer({ server, joinToken, name }, dispatcher)
    switch (answer.kind) {
      case 'joined':
        await writeCredential(dataFolder, answer.credential)
        log('agent.joined', { agent_id: answer.credential.agent_id, pool: answer.credential.pool })
        return { ok: true, credential: answer.credential }
      case 'refused':
        return { ok: false, sentence: `${answer.sentence}: make a new one (dalston agents token).` }
      case 'unreachable': {
        const waitMs = backoffMs(tries, random(), limits, answer.retryAfterMs)
        log('agent.join_waiting', { message: answer.sentence, wait_ms: Math.round(waitMs) })
        await sleep(waitMs, undefined, { signal })
      }
    }
  }
}
