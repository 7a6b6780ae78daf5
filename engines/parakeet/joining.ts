import type { Word } from '#protocol/transcript.ts'
import type { Window } from './windows.ts'

/**
 * Joins the words of windows, which come in order, where they share sound: each word is taken from one of both. The cut is
 * between two words of the first window, next to the middle of what is shared, where both have heard enough on either side.
 * Holds the words of one shared stretch. Pure.
 */
export class WordJoiner {
  #held: Word[] = []

  /** The words that a further window makes final; `next` is the window behind it, if it shares sound with this one. */
  push(window: Window, words: readonly Word[], next: Window | null): Word[] {
    const { sharedUntil } = window
    const joined =
      sharedUntil === null ? [...this.#held, ...words] : this.#join(words, window.start, sharedUntil)
    const heldFrom = next?.sharedUntil == null ? Number.POSITIVE_INFINITY : next.start
    const first = joined.findIndex((word) => word.end > heldFrom)
    this.#held = first < 0 ? [] : joined.slice(first)
    return first < 0 ? joined : joined.slice(0, first)
  }

  #join(words: readonly Word[], from: number, to: number): Word[] {
    const cut = cutBetween(this.#held, from, to)
    return [
      ...this.#held.filter((word) => middle(word) < cut),
      ...words.filter((word) => middle(word) >= cut),
    ]
  }
}

/** The pause, or seam, between two words that is next to the middle of a stretch; the middle itself where there is none. */
function cutBetween(words: readonly Word[], from: number, to: number): number {
  const center = (from + to) / 2
  let best = Number.NaN
  for (const [index, word] of words.entries()) {
    const next = words[index + 1]
    if (next === undefined) break
    const seam = (word.end + next.start) / 2
    if (seam <= from || seam >= to) continue
    if (Number.isNaN(best) || Math.abs(seam - center) < Math.abs(best - center)) best = seam
  }
  return Number.isNaN(best) ? center : best
}

function middle(word: Word): number {
  return (word.start + word.end) / 2
}
