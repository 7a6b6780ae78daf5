import { EngineError } from '#engines/engine.ts'

/** A file of a hub, as requests name it. */
export interface HubFile {
  readonly repository: string
  /** A commit, or a branch. */
  readonly revision: string
  readonly path: string
}

/** A hub's refusal or failure. `again`: the same request may well succeed in a moment. */
export class HubError extends EngineError {
  readonly again: boolean
  readonly retryAfterMs: number | null
  /** Nobody was there, now or before: it is hardly a matter of moments. */
  readonly isAbsent: boolean

  constructor(
    error: { readonly code: string; readonly message: string; readonly retryable: boolean },
    again: { readonly retryAfterMs: number | null; readonly isAbsent?: boolean } | null,
    options?: ErrorOptions,
  ) {
    super(error, options)
    this.again = again !== null
    this.retryAfterMs = again?.retryAfterMs ?? null
    this.isAbsent = again?.isAbsent ?? false
  }
}

export interface HubAnswer {
  readonly endpoint: string
  readonly status: number
  readonly retryAfterMs: number | null
  /** The hub's own word for it, such as `GatedRepo`. */
  readonly code: string | null
  readonly tokenWasSent: boolean
}

/** What an answer that is no file means, and what helps. Pure. */
export function refusal(answer: HubAnswer, file: HubFile): HubError {
  const { endpoint, status, retryAfterMs } = answer
  const what = `${file.path} of ${file.repository}`
  const why = answer.code === null ? `${status}` : `${status} ${answer.code}`
  if (status === 401 || status === 403) {
    const token = answer.tokenWasSent
      ? 'The token that was given has no access'
      : 'No token was given: set HF_TOKEN or --hub-token-file'
    const message = `${endpoint} refuses ${what} (${why}): it is gated or private, or does not exist. ${token}; its licence is accepted at ${endpoint}/${file.repository}.`
    return new HubError({ code: 'hub_gated', message, retryable: false }, null)
  }
  if (status === 404 || status === 410) {
    const message = `${endpoint} has no ${file.path} in ${file.repository} at revision ${file.revision} (${why}).`
    return new HubError({ code: 'hub_not_found', message, retryable: false }, null)
  }
  if (status === 429) {
    const wait = retryAfterMs === null ? '' : ` It asks to wait ${Math.ceil(retryAfterMs / 1000)} s.`
    const message = `${endpoint} limits how often ${what} may be asked for (429).${wait}`
    // Who waits for a pull does not wait for an hour: the order fails with the number.
    const again = (retryAfterMs ?? 0) > LONGEST_WAIT_MS ? null : { retryAfterMs }
    return new HubError({ code: 'hub_rate_limited', message, retryable: true }, again)
  }
  if (status === 416) {
    const message = `${endpoint} has fewer bytes of ${what} than before (416).`
    return new HubError({ code: 'hub_bad_range', message, retryable: true }, { retryAfterMs: null })
  }
  const message = `${endpoint} answered ${why} when asked for ${what}.`
  if (status >= 500 || status === 408)
    return new HubError({ code: 'hub_failed', message, retryable: true }, { retryAfterMs })
  return new HubError({ code: 'hub_failed', message, retryable: false }, null)
}

const LONGEST_WAIT_MS = 300_000
