import type { Segment, Word } from '#protocol/transcript.ts'

/** A silence between words that starts a new segment: a pause that a listener hears as one. */
const SILENCE_SECONDS = 0.6
/** Two full lines of a caption, read aloud slowly. */
const MOST_SECONDS = 15

/** Groups words, which come in time order, into segments: at silences, else where the widest gap is. Pure. */
export class Segmenter {
  #words: Word[] = []
  #nextId = 0

  /** The segments that a further word proves to be over. */
  push(word: Word): Segment[] {
    const last = this.#words.at(-1)
    const ended: Segment[] = []
    if (last !== undefined && word.start - last.end > SILENCE_SECONDS)
      ended.push(this.#take(this.#words.length))
    while (this.#words.length > 0 && word.end - (this.#words[0]?.start ?? 0) > MOST_SECONDS)
      ended.push(this.#take(widestGap([...this.#words, word])))
    this.#words.push(word)
    return ended
  }

  flush(): Segment[] {
    return this.#words.length === 0 ? [] : [this.#take(this.#words.length)]
  }

  #take(count: number): Segment {
    const words = this.#words.slice(0, count)
    this.#words = this.#words.slice(count)
    return {
      id: this.#nextId++,
      start: words[0]?.start ?? 0,
      end: words.at(-1)?.end ?? 0,
      text: words.map((word) => word.text).join(' '),
      confidence: meanConfidence(words),
      speaker: null,
      words,
    }
  }
}

/** How many words to take so that the cut falls into the widest gap of the second half; the last of equal ones. */
function widestGap(words: readonly Word[]): number {
  let best = words.length - 1
  let widest = -1
  for (let index = Math.max(1, words.length >> 1); index < words.length; index++) {
    const gap = (words[index]?.start ?? 0) - (words[index - 1]?.end ?? 0)
    if (gap >= widest) {
      widest = gap
      best = index
    }
  }
  return best
}

/** The mean of the words' confidences; null where one is unknown. */
function meanConfidence(words: readonly Word[]): number | null {
  let sum = 0
  for (const word of words) {
    if (word.confidence === null) return null
    sum += word.confidence
  }
  return words.length === 0 ? null : Math.round((sum / words.length) * 1000) / 1000
}
