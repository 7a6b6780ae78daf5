import { type Dispatcher, request } from 'undici'
import type { z } from 'zod'
import { Joined, RotatedCredential } from '#protocol/api.ts'
import { retryAfterMs } from './backoff.ts'
import { sentenceOf } from './log.ts'

/** What the server answers to a request for a credential. */
export type CredentialAnswer<Value> =
  | { readonly kind: 'given'; readonly value: Value }
  | { readonly kind: 'refused'; readonly sentence: string }
  | { readonly kind: 'unreachable'; readonly sentence: string; readonly retryAfterMs: number | null }

/** `POST /agent/v1/join`. One try: the caller waits and asks again when the server was not there. */
export function joinServer(
  ask: { readonly server: string; readonly joinToken: string; readonly name: string },
  dispatcher: Dispatcher,
): Promise<CredentialAnswer<z.infer<typeof Joined>>> {
  const what = { path: '/agent/v1/join', name: 'join token', bearer: ask.joinToken, body: { name: ask.name } }
  return post(ask.server, what, Joined, dispatcher)
}

/** `POST /agent/v1/credential`: a new one for the one that is shown. One try. */
export function rotateAtServer(
  ask: { readonly server: string; readonly credential: string },
  dispatcher: Dispatcher,
): Promise<CredentialAnswer<z.infer<typeof RotatedCredential>>> {
  const what = { path: '/agent/v1/credential', name: 'rotation', bearer: ask.credential, body: {} }
  return post(ask.server, what, RotatedCredential, dispatcher)
}

interface Asked {
  readonly path: string
  readonly name: string
  readonly bearer: string
  readonly body: unknown
}

/** A server that takes the request and says nothing is tried again. */
const ANSWER_MS = 15_000

async function post<Schema extends z.ZodType>(
  server: string,
  { path, name, bearer, body }: Asked,
  schema: Schema,
  dispatcher: Dispatcher,
): Promise<CredentialAnswer<z.infer<Schema>>> {
  try {
    const answer = await request(`${server}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      dispatcher,
      headersTimeout: ANSWER_MS,
      bodyTimeout: ANSWER_MS,
    })
    const { statusCode } = answer
    const json = parseJson(await answer.body.text())
    if (statusCode === 201) {
      const given = schema.safeParse(json)
      if (given.success) return { kind: 'given', value: given.data }
      return unreachable(`the answer to the ${name} is not one of ours`)
    }
    const sentence = `the server answered ${statusCode} to the ${name}${detailOf(json)}`
    if (statusCode !== 429 && statusCode < 500) return { kind: 'refused', sentence }
    return unreachable(sentence, retryAfterMs(answer.headers['retry-after']?.toString(), Date.now()))
  } catch (error) {
    return unreachable(sentenceOf(error))
  }
}

function unreachable(sentence: string, waitMs: number | null = null) {
  return { kind: 'unreachable', sentence, retryAfterMs: waitMs } as const
}

/** What the server's problem says of it. */
function detailOf(json: unknown): string {
  const hasDetail = typeof json === 'object' && json !== null && 'detail' in json
  return hasDetail && typeof json.detail === 'string' ? `: ${json.detail.slice(0, 300)}` : ''
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A proxy's page.
    return null
  }
}
