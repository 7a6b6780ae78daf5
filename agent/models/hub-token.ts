import { readFile } from 'node:fs/promises'
import { sentenceOf } from '../log.ts'
import { modelError } from './model-error.ts'

export interface HubTokenSource {
  readonly token: string | null
  /** Read at each request: a token that was renewed counts at once. */
  readonly tokenFile: string | null
}

/** The file's token goes before the environment's. Throws `EngineError` when the file cannot be read, or is no token. */
export async function readHubToken({ token, tokenFile }: HubTokenSource): Promise<string | null> {
  if (tokenFile === null) return token
  const text = await readFile(tokenFile, 'utf8').catch((error: unknown) => {
    const message = `--hub-token-file cannot be read: ${sentenceOf(error)}`
    throw modelError('hub_token_unreadable', message, false, { cause: error })
  })
  // A header takes no other characters, and its error would print the token.
  if (/^[\x21-\x7e]{1,500}$/.test(text.trim())) return text.trim()
  throw modelError('hub_token_unreadable', `--hub-token-file: ${tokenFile} holds no token.`, false)
}
