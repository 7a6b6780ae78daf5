import type { Span } from './span.ts'

/** Below this many, looking for what has ended costs more than keeping it. */
const SMALL = 64

/** The spans that a segment still to come may need. Grows by what is open, not by what has passed. */
export class Window<T extends Span> {
  #spans: T[] = []
  #limit = SMALL

  get size(): number {
    return this.#spans.length
  }

  /** `fromSeconds`: nobody asks any more for what ended before. Each span is looked at a fixed number of times. */
  add(span: T, fromSeconds: number): void {
    if (this.#spans.length >= this.#limit) {
      this.#spans = this.#spans.filter(({ end }) => end >= fromSeconds)
      this.#limit = Math.max(SMALL, 2 * this.#spans.length)
    }
    this.#spans.push(span)
  }

  /** In the order in which they came: those that lie within reach of the span, or overlap it. */
  around({ start, end }: Span, reachSeconds: number): T[] {
    return this.#spans.filter((span) => span.end >= start - reachSeconds && span.start <= end + reachSeconds)
  }
}
