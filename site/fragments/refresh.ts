import { html } from './html.ts'

/**
 * Attributes of an element that asks for itself again and again: what it holds is morphed, so that focus and selection
 * stay, and an answer that is an error leaves it as it was. Its shown times may be stale then; the next answer cures it.
 */
export const refreshInPlace = html`hx-swap="outerMorph" hx-status:4xx="swap:none" hx-status:5xx="swap:none"`
