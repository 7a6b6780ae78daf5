import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { backoffMs } from './backoff.ts'
import type { StopCause } from './close.ts'
import type { AgentConfig } from './config.ts'
import { type Credential, readCredential, writeCredential } from './credential.ts'
import { joinServer, rotateAtServer } from './credential-requests.ts'
import { type Log, sentenceOf } from './log.ts'

export interface IdentityOptions {
  readonly config: AgentConfig
  readonly dispatcher: Dispatcher
  readonly log: Log
  readonly random: () => number
  readonly signal: AbortSignal
}

/** A credential to dial with, or why there is none. */
export type Identified =
  | { readonly ok: true; readonly credential: string }
  | { readonly ok: false; readonly sentence: string }

export type Refusal = Extract<StopCause, 'bad_token' | 'revoked'>

/**
 * Who this agent is to its server, over the life of its credentials: bought with a join token, rotated when old, and what to
 * try when one is refused. A new one is on disk before it is used, with the one before beside it until the server has
 * welcomed it: an end of this process at any point leaves a credential that opens.
 */
export class Identity {
  readonly #options: IdentityOptions
  #present: Credential | null = null
  /** What is on disk is not what was tried last. */
  #isFallback = false
  /** What the server refused since it last welcomed this agent. */
  readonly #refused = new Set<string>()
  /** What was said when the server cut this agent off; null when it did not. */
  #revocation: string | null = null
  #hasRejoined = false
  #mustRotate: boolean
  /** One at a time: of two that overlap, the server keeps the later one's. */
  #isRotating = false
  #stored: Promise<void> = Promise.resolve()

  constructor(options: IdentityOptions) {
    this.#options = options
    this.#mustRotate = options.config.rotateNow
  }

  get credential(): string | null {
    return this.#present?.credential ?? null
  }

  /**
   * The stored credential, rotated when due, else a new one for the join token; waits for a server that is not there yet.
   * Rejects only when `signal` aborts, or when the data folder cannot be read or written.
   */
  async open(): Promise<Identified> {
    const { config, log } = this.#options
    this.#present = await readCredential(config.dataFolder, config.server)
    if (this.#present === null) return this.#join()
    await this.rotateWhenDue().catch((error: unknown) =>
      log('agent.rotation_failed', { message: sentenceOf(error) }),
    )
    return { ok: true, credential: this.#present.credential }
  }

  /** A new credential to dial with; null when the present one is young enough, or when the server gave none. */
  async rotateWhenDue(): Promise<string | null> {
    if (this.#present === null || this.#isRotating || !this.#isDue(this.#present)) return null
    this.#isRotating = true
    try {
      return await this.#rotate(this.#present)
    } finally {
      this.#isRotating = false
    }
  }

  /** The server takes the present credential: the one before is over. */
  async welcomed(): Promise<void> {
    this.#refused.clear()
    this.#revocation = null
    // A rotation on its way writes what is newer.
    if (this.#present === null || this.#isRotating) return
    if (this.#present.previous === null && !this.#isFallback) return
    this.#isFallback = false
    this.#present = { ...this.#present, previous: null }
    await this.#store(this.#present)
  }

  /**
   * What to try next: what another process stored, then the credential before. One that the server forgot (its data are
   * new) is replaced once, when a join token came along; one that was revoked is not.
   */
  async refused(cause: Refusal, sentence: string): Promise<Identified> {
    const { config, log } = this.#options
    if (cause === 'revoked') this.#revocation = sentence
    if (this.#present !== null) this.#refused.add(this.#present.credential)
    const stored = await readCredential(config.dataFolder, config.server)
    for (const known of [stored, before(this.#present), before(stored)]) {
      if (known === null || this.#refused.has(known.credential)) continue
      log('agent.credential_tried', { agent_id: known.agent_id })
      this.#present = known
      this.#isFallback = known !== stored
      return { ok: true, credential: known.credential }
    }
    if (config.joinToken === null || this.#hasRejoined || this.#revocation !== null)
      return { ok: false, sentence: this.#revocation ?? sentence }
    this.#hasRejoined = true
    return this.#join()
  }

  /** Until nothing is being written. */
  idle(): Promise<void> {
    return this.#stored
  }

  /** One after the other: they share a draft. */
  #store(credential: Credential): Promise<void> {
    const written = this.#stored.then(() => writeCredential(this.#options.config.dataFolder, credential))
    this.#stored = written.catch(() => undefined) // who asked for it hears of it
    return written
  }

  async #rotate(present: Credential): Promise<string | null> {
    const { config, dispatcher, log } = this.#options
    const ask = { server: config.server, credential: present.credential }
    const answer = await rotateAtServer(ask, dispatcher)
    if (answer.kind !== 'given') {
      log('agent.rotation_failed', { message: answer.sentence })
      return null
    }
    const { credential } = answer.value
    const next = { ...present, credential, previous: present.credential, issued_at_ms: Date.now() }
    await this.#store(next)
    this.#present = next
    this.#mustRotate = false
    log('agent.rotated', { agent_id: present.agent_id })
    return credential
  }

  #isDue({ issued_at_ms }: Credential): boolean {
    return this.#mustRotate || Date.now() - issued_at_ms >= this.#options.config.rotateAfterMs
  }

  async #join(): Promise<Identified> {
    const { config, dispatcher, log, random, signal } = this.#options
    const { joinToken, server, name, dataFolder, timing } = config
    if (joinToken === null) {
      const sentence = `${dataFolder} holds no credential for ${server}: a join token is needed (--token).`
      return { ok: false, sentence }
    }
    const limits = { baseMs: timing.backoffBaseMs, capMs: timing.backoffCapMs }
    for (let tries = 0; ; tries++) {
      const answer = await joinServer({ server, joinToken, name }, dispatcher)
      switch (answer.kind) {
        case 'given': {
          this.#present = { ...answer.value, server, issued_at_ms: Date.now(), previous: null }
          this.#isFallback = false
          this.#mustRotate = false
          await this.#store(this.#present)
          log('agent.joined', { agent_id: answer.value.agent_id, pool: answer.value.pool })
          return { ok: true, credential: answer.value.credential }
        }
        case 'refused':
          return { ok: false, sentence: answer.sentence }
        case 'unreachable': {
          const waitMs = backoffMs(tries, random(), limits, answer.retryAfterMs)
          log('agent.join_waiting', { message: answer.sentence, wait_ms: Math.round(waitMs) })
          await sleep(waitMs, undefined, { signal })
        }
      }
    }
  }
}

/** The credential before this one. It may live for a day only, so it is rotated as soon as it is taken. */
function before(credential: Credential | null): Credential | null {
  if (credential === null || credential.previous === null) return null
  return { ...credential, credential: credential.previous, previous: null, issued_at_ms: 0 }
}
