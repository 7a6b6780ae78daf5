/**
 * Markup as a value. The only way to make one is the `html` tag, which escapes every string put into it, so text of
 * callers (file names, transcripts, messages of engines) can never become markup.
 */
export class Html {
  readonly markup: string
  constructor(markup: string) {
    this.markup = markup
  }
  toString(): string {
    return this.markup
  }
}

export type HtmlValue = Html | string | number | null | false | readonly HtmlValue[]

/** `null` and `false` print nothing, lists print their items. Attribute values must stand in double quotes. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  const markup = strings.map((text, index) => text + markupOf(values[index] ?? null)).join('')
  return new Html(markup)
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function markupOf(value: HtmlValue): string {
  if (value === null || value === false) return ''
  if (value instanceof Html) return value.markup
  if (typeof value === 'object') return value.map(markupOf).join('')
  return String(value).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}
