import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Dispatcher, request } from 'undici'
import { z } from 'zod'
import { Joined } from '#protocol/api.ts'
import { retryAfterMs } from './backoff.ts'
import { sentenceOf } from './log.ts'

/**
 * The agent's own secret. A join token buys it once; it lies in the data folder, readable by its owner only, and belongs
 * to the server that gave it. It is never logged and never reaches an engine child.
 */
const StoredCredential = Joined.extend({ server: z.string() })
export type Credential = z.infer<typeof StoredCredential>

export type JoinAnswer =
  | { readonly kind: 'joined'; readonly credential: Credential }
  | { readonly kind: 'refused'; readonly sentence: string }
  | { readonly kind: 'unreachable'; readonly sentence: string; readonly retryAfterMs: number | null }

/** The credential for this server; null when there is none, or one of another server, or one that cannot be read. */
export async function readCredential(dataFolder: string, server: string): Promise<Credential | null> {
  let text: string
  try {
    text = await readFile(join(dataFolder, FILE_NAME), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
  const stored = StoredCredential.safeParse(parseJson(text))
  return stored.success && stored.data.server === server ? stored.data : null
}

/** Writes it with mode 0600 from its first byte, whole or not at all. */
export async function writeCredential(dataFolder: string, credential: Credential): Promise<void> {
  await mkdir(dataFolder, { recursive: true, mode: 0o700 })
  const path = join(dataFolder, FILE_NAME)
  const draft = `${path}.${process.pid}.new`
  await writeFile(draft, `${JSON.stringify(credential)}\n`, { mode: 0o600 })
  // A file left over from before keeps its old mode through writeFile.
  await chmod(draft, 0o600)
  await rename(draft, path)
}

/** `POST /agent/v1/join`. One try: the caller waits and asks again when the server was not there. */
export async function joinServer(
  ask: { readonly server: string; readonly joinToken: string; readonly name: string },
  dispatcher: Dispatcher,
): Promise<JoinAnswer> {
  try {
    const answer = await request(`${ask.server}/agent/v1/join`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ask.joinToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: ask.name }),
      dispatcher,
    })
    const body = parseJson(await answer.body.text())
    const { statusCode } = answer
    if (statusCode === 201) {
      const joined = Joined.safeParse(body)
      if (joined.success) return { kind: 'joined', credential: { ...joined.data, server: ask.server } }
      return {
        kind: 'unreachable',
        sentence: 'the answer to the join is not one of ours',
        retryAfterMs: null,
      }
    }
    if (statusCode === 429 || statusCode >= 500) {
      const wait = retryAfterMs(answer.headers['retry-after']?.toString(), Date.now())
      return {
        kind: 'unreachable',
        sentence: `the server answered ${statusCode} to the join`,
        retryAfterMs: wait,
      }
    }
    return { kind: 'refused', sentence: `the server answered ${statusCode} to the join token` }
  } catch (error) {
    return { kind: 'unreachable', sentence: sentenceOf(error), retryAfterMs: null }
  }
}

const FILE_NAME = 'credential.json'

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Cut short by a full disk, or not ours: the same as none.
    return null
  }
}
