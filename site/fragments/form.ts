import { type Html, html } from './html.ts'

/** What every page and fragment needs to know of its visitor and its moment. */
export interface Visit {
  /** Where this server is reached, without a trailing slash: for the lines to paste. */
  readonly origin: string
  /** Proves that a post comes from a page of ours. */
  readonly csrfToken: string
  readonly nowMs: number
}

export const CSRF_FIELD = 'csrf_token'

export function csrfField(visit: Visit): Html {
  return html`<input type="hidden" name="${CSRF_FIELD}" value="${visit.csrfToken}">`
}
