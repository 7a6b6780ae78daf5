/** Just enough reading of our own markup for tests: tags and text, by regular expression, since we wrote it. */

/** What a reader sees: tags gone, entities back, white space folded. */
export function textOf(markup: string): string {
  return markup
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ')
    .trim()
}

/** The element with an id, from its opening tag to its own closing tag. */
export function byId(markup: string, id: string): string {
  const start =
    new RegExp(`<(\\w+)[^>]* id="${id}"`).exec(markup) ?? new RegExp(`<(\\w+) id="${id}"`).exec(markup)
  if (start === null) throw new Error(`no element with id ${id} in ${markup.slice(0, 400)}`)
  const tags = new RegExp(`<(/?)${start[1]}\\b`, 'g')
  tags.lastIndex = start.index
  let depth = 0
  for (let tag = tags.exec(markup); tag !== null; tag = tags.exec(markup)) {
    depth += tag[1] === '/' ? -1 : 1
    if (depth === 0) return markup.slice(start.index, markup.indexOf('>', tag.index) + 1)
  }
  throw new Error(`the element with id ${id} is not closed`)
}

/** The values of an attribute, in document order. */
export function attributes(markup: string, name: string): string[] {
  return [...markup.matchAll(new RegExp(` ${name}="([^"]*)"`, 'g'))].map((match) => match[1] ?? '')
}
