import { type Html, html } from './html.ts'
import { notice } from './notice.ts'

export interface SignInView {
  /** What went wrong with the last try. */
  readonly problem: string | null
  /** A path of this console to go to afterwards. */
  readonly next: string
  /** A one-time link that came from another site: followed only when the visitor says so. */
  readonly link: string | null
}

export function signInForm(view: SignInView): Html {
  return html`${view.problem !== null && notice('bad', 'Not signed in.', view.problem, true)}
    <form method="post" action="/sign-in" class="sign-in">
      <input type="hidden" name="next" value="${view.next}">
      ${view.link === null ? keyField() : linkField(view.link)}
      <button type="submit" class="button primary">Sign in</button>
    </form>`
}

function keyField(): Html {
  // Password managers keep a key under a name.
  return html`<input type="text" name="username" value="dalston" autocomplete="username" hidden>
    <label for="key">API key</label>
    <input id="key" name="key" type="password" autocomplete="current-password" spellcheck="false" required autofocus
      placeholder="dk_…" aria-describedby="key-hint">
    <p id="key-hint" class="quiet"><code>dalston serve</code> prints a one-time link that signs you in. The key itself lies in
      <code>admin.key</code> in the server's data folder.</p>`
}

function linkField(link: string): Html {
  return html`<input type="hidden" name="link" value="${link}">
    <p class="quiet">You followed a one-time link. Sign in only if it comes from a server you know.</p>`
}
