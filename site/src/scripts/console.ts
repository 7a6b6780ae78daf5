import 'htmx.org'
import 'htmx.org/dist/ext/hx-sse.js'

/** What every page adds to plain HTML: copy buttons, rest while nobody looks, and one cure for the event stream. */

for (const button of document.querySelectorAll<HTMLButtonElement>('[data-copy]')) button.hidden = false
document.addEventListener('htmx:after:swap', () => {
  for (const button of document.querySelectorAll<HTMLButtonElement>('[data-copy][hidden]'))
    button.hidden = false
})

document.addEventListener('click', async (event) => {
  const button = event.target instanceof Element ? event.target.closest('[data-copy]') : null
  const text = button?.parentElement?.querySelector('code')?.textContent
  if (button === null || text === undefined || text === null) return
  try {
    await navigator.clipboard.writeText(text)
    button.textContent = 'Copied'
  } catch {
    // Refused, or not a secure context: the line is selected instead, ready for the keyboard.
    getSelection()?.selectAllChildren(button.parentElement?.querySelector('code') ?? button)
    button.textContent = 'Selected'
  }
  setTimeout(() => {
    button.textContent = 'Copy'
  }, 2000)
})

/** The stream extension keeps asking after a 204, which says that the job has ended: stop it. */
interface StreamEvent extends CustomEvent {
  readonly detail: { readonly connection: { readonly status: number | null; cancelled: boolean } }
}
document.addEventListener('htmx:sse:before:connection', (event) => {
  // The extension's own event: its detail always carries the connection.
  const { connection } = (event as StreamEvent).detail
  if (connection.status === 204) connection.cancelled = true
})

/** A list that refreshes itself rests while its tab is in the background. */
interface RequestEvent extends CustomEvent {
  readonly detail: { readonly ctx: { readonly sourceEvent?: Event } }
}
document.addEventListener('htmx:before:request', (event) => {
  // htmx's own event: its detail always carries the request's context.
  const { ctx } = (event as RequestEvent).detail
  if (document.hidden && ctx.sourceEvent?.type === 'every') event.preventDefault()
})
