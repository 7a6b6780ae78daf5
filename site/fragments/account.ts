import { csrfField, type Visit } from './form.ts'
import { type Html, html } from './html.ts'

/** The corner of every page: the way out. */
export function account(visit: Visit): Html {
  return html`<form method="post" action="/sign-out">
    ${csrfField(visit)}<button type="submit" class="button small quiet-button">Sign out</button>
  </form>`
}
