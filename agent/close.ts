import { CLOSE_CODES } from '#protocol/agent-messages.ts'
import { retryAfterMs } from './backoff.ts'

/** What an agent does after its socket ended. Pure. */
export type AfterClose =
  | { readonly kind: 'reconnect'; readonly wait: 'none' | 'backoff'; readonly retryAfterMs: number | null }
  | { readonly kind: 'stop'; readonly cause: StopCause; readonly sentence: string }

export type StopCause = 'bad_token' | 'revoked' | 'replaced' | 'upgrade_required'

const LATER = { kind: 'reconnect', wait: 'backoff', retryAfterMs: null } as const

export function afterClose(code: number): AfterClose {
  switch (code) {
    case CLOSE_CODES.badToken:
      return stop('revoked')
    case CLOSE_CODES.replaced:
      return stop('replaced')
    case CLOSE_CODES.upgradeRequired:
      return stop('upgrade_required')
    case CLOSE_CODES.drain:
      return { kind: 'reconnect', wait: 'none', retryAfterMs: null }
    default:
      return LATER
  }
}

/** The server answered the dial with a status instead of a socket. */
export function afterRejection(status: number, retryAfter: string | undefined, epochMs: number): AfterClose {
  if (status === 401 || status === 403) return stop('bad_token')
  if (status === 426) return stop('upgrade_required')
  return { ...LATER, retryAfterMs: retryAfterMs(retryAfter, epochMs) }
}

function stop(cause: StopCause): AfterClose {
  return { kind: 'stop', cause, sentence: SENTENCES[cause] }
}

const SENTENCES: Readonly<Record<StopCause, string>> = {
  bad_token: 'The server no longer knows this agent: join again with a new token (dalston agents token).',
  revoked:
    "The server revoked this agent's credential: nothing runs here any more. To let this machine join again, make a new token (dalston agents token).",
  replaced: 'Another agent connected with this credential: give each machine, and each data folder, its own.',
  upgrade_required: 'Server and agent speak different versions of the protocol: update the older of the two.',
}
