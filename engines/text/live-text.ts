import type { Partial } from '#protocol/task.ts'
import type { Word } from '#protocol/transcript.ts'

/** A partial text is at most 2,000 characters on the wire; what a screen shows while it grows is less. */
const MOST_CHARACTERS = 1000

/** The newest words of a transcript that is still being made. Pure. */
export class LiveText {
  #words: Word[] = []
  #characters = 0
  #revision = 0

  push(words: readonly Word[]): void {
    for (const word of words) {
      this.#words.push(word)
      this.#characters += word.text.length + 1
    }
    let dropped = 0
    while (this.#characters > MOST_CHARACTERS && dropped < this.#words.length) {
      this.#characters -= (this.#words[dropped]?.text.length ?? 0) + 1
      dropped += 1
    }
    this.#words = this.#words.slice(dropped)
    if (words.length > 0) this.#revision += 1
  }

  /** Undefined until there is a word. */
  partial(): Partial | undefined {
    const first = this.#words[0]
    const last = this.#words.at(-1)
    if (first === undefined || last === undefined) return undefined
    const text = this.#words.map((word) => word.text).join(' ')
    return { revision: this.#revision, start: first.start, end: last.end, text }
  }
}
