import type { Partial } from '#protocol/task.ts'
import type { Segment } from '#protocol/transcript.ts'

/** A partial text is at most 2,000 characters on the wire; what a screen shows while it grows is less. */
const MOST_CHARACTERS = 1000

/** The newest text of a transcript that is still being made: what stands, and what is being written behind it. Pure. */
export class LiveText {
  #standing: { readonly start: number; readonly end: number; readonly text: string }[] = []
  #revision = 0

  push(segments: readonly Pick<Segment, 'start' | 'end' | 'text'>[]): void {
    if (segments.length === 0) return
    this.#standing.push(...segments.map(({ start, end, text }) => ({ start, end, text })))
    let characters = 0
    const firstKept = this.#standing.findLastIndex((one) => {
      characters += one.text.length + 1
      return characters > MOST_CHARACTERS
    })
    this.#standing = this.#standing.slice(Math.min(firstKept + 1, this.#standing.length - 1))
    this.#revision += 1
  }

  /** Undefined until there is text. */
  partial(draft?: {
    readonly start: number
    readonly end: number
    readonly text: string
  }): Partial | undefined {
    const texts = this.#standing.map((one) => one.text)
    const end = draft?.end ?? this.#standing.at(-1)?.end ?? 0
    if (draft !== undefined && draft.text !== '') {
      texts.push(draft.text)
      this.#revision += 1
    }
    if (texts.length === 0) return undefined
    const text = texts.join(' ').slice(-MOST_CHARACTERS)
    const start = Math.min(this.#standing[0]?.start ?? draft?.start ?? end, end)
    return { revision: this.#revision, start, end, text }
  }
}
