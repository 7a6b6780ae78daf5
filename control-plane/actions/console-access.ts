import {
  deleteConsoleSession,
  findConsoleSession,
  saveConsoleSession,
  saveSignInLink,
  takeSignInLink,
} from '#store/console.ts'
import { hashSecret, toBase64Url } from '../access/hmac.ts'
import type { Bindings } from '../env.ts'
import { callerOfKeyId, randomBytes } from './access.ts'
import type { Caller } from './caller.ts'

/** A link is for the minutes in which somebody reads the terminal. */
const LINK_MS = 15 * 60_000
const SESSION_MS = 7 * 86_400_000
/** 256 bits. */
const SECRET_BYTES = 32

export interface IssuedSecret {
  readonly token: string
  readonly expiresAtMs: number
}

export async function createSignInLink(env: Bindings, caller: Caller): Promise<IssuedSecret> {
  const issued = issue(LINK_MS)
  const hash = await hashSecret(env.TOKEN_SECRET, issued.token)
  await saveSignInLink(env.DB, { hash, keyId: caller.keyId, expiresAtMs: issued.expiresAtMs }, Date.now())
  return issued
}

/** Whose link this is, spending it. */
export async function consumeSignInLink(env: Bindings, link: string): Promise<Caller | null> {
  const keyId = await takeSignInLink(env.DB, await hashSecret(env.TOKEN_SECRET, link), Date.now())
  return keyId === null ? null : callerOfKeyId(env, keyId)
}

export async function createConsoleSession(env: Bindings, caller: Caller): Promise<IssuedSecret> {
  const issued = issue(SESSION_MS)
  const hash = await hashSecret(env.TOKEN_SECRET, issued.token)
  await saveConsoleSession(env.DB, { hash, keyId: caller.keyId, expiresAtMs: issued.expiresAtMs }, Date.now())
  return issued
}

/** The caller of a session that is not over and whose key is still good. */
export async function callerOfSession(env: Bindings, token: string): Promise<Caller | null> {
  const keyId = await findConsoleSession(env.DB, await hashSecret(env.TOKEN_SECRET, token), Date.now())
  return keyId === null ? null : callerOfKeyId(env, keyId)
}

export async function endConsoleSession(env: Bindings, token: string): Promise<void> {
  await deleteConsoleSession(env.DB, await hashSecret(env.TOKEN_SECRET, token))
}

function issue(lifeMs: number): IssuedSecret {
  return { token: toBase64Url(randomBytes(SECRET_BYTES)), expiresAtMs: Date.now() + lifeMs }
}
