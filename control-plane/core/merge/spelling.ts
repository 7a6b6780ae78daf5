import type { Word } from '#protocol/transcript.ts'

/** How words and the text that they were heard as belong together. White space never counts. Pure. */

/** Whether the words carry the whole text: an aligner may have left some of them out, refine may have changed it. */
export function spells(words: readonly Word[], text: string): boolean {
  return words.length > 0 && bare(words.map((word) => word.text).join('')) === bare(text)
}

/** The text of each group of words, as it stands in a text that the words spell. */
export function dividedText(text: string, groups: readonly (readonly Word[])[]): string[] {
  let position = 0
  return groups.map((words) => {
    const from = position
    let left = bare(words.map((word) => word.text).join('')).length
    for (; left > 0 && position < text.length; position++) if (!/\s/.test(text.charAt(position))) left--
    return text.slice(from, position).trim()
  })
}

function bare(text: string): string {
  return text.replace(/\s+/g, '')
}
