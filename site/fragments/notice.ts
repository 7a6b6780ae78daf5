import type { Problem } from '#protocol/problem.ts'
import { type Html, type HtmlValue, html } from './html.ts'
import { icon } from './icon.ts'

/** `alert` interrupts a screen reader: for what the visitor's own action caused, never for what stood there before. */
export function notice(tone: 'bad' | 'warn' | 'info', title: string, body: HtmlValue, alert = false): Html {
  return html`<div class="notice tone-${tone}"${alert && html` role="alert"`}>
    ${icon(tone === 'bad' ? 'cross' : tone === 'warn' ? 'warning' : 'info')}
    <div><strong>${title}</strong> ${body}</div>
  </div>`
}

/** An API problem inside a page. */
export function problemNotice(problem: Problem): Html {
  return notice('bad', problem.title, problemDetails(problem), true)
}

/** Everything that helps: what was wrong, the fields, why each engine cannot, and what would. */
export function problemDetails(problem: Problem): Html {
  const details = [
    ...(problem.errors ?? []).map((error) => `${error.pointer}: ${error.detail}`),
    ...(problem.running_engines ?? []).map((engine) => `${engine.engine_id}: ${engine.reason}`),
  ]
  const commands = (problem.catalog_alternatives ?? []).map((alternative) => alternative.command)
  return html`<p>${prose(problem.detail)}</p>
    ${details.length > 0 && html`<ul>${details.map((line) => html`<li>${line}</li>`)}</ul>`}
    ${commands.map((command) => html`<pre><code>${command}</code></pre>`)}
    ${problem.request_id !== NO_REQUEST && html`<p class="quiet">Request ${problem.request_id}</p>`}`
}

/** In place of an id where the console itself refused, so that no request to the API was made. */
export const NO_REQUEST = '–'

/** A sentence of the server, with what stands between backticks as code. */
export function prose(text: string): Html {
  return html`${text.split('`').map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`
}

/** A line to paste into a terminal, with a copy button where scripts run. */
export function pasteLine(label: string, line: string): Html {
  return html`<div class="paste">
    <pre tabindex="0" aria-label="${label}"><code>${line}</code></pre>
    <button type="button" class="button small" data-copy aria-label="Copy: ${label}" hidden>Copy</button>
  </div>`
}
