import { type Acoustics, encoded, frameLogits, releaseAcoustics } from './acoustics.ts'
import { ctcGreedy } from './ctc-greedy.ts'
import type { Emission, Encoded } from './emission.ts'
import type { GreedySearch } from './greedy-search.ts'

/** `heard` of the items went through the encoder, which is most of the work. */
export type Between = (heard: number) => Promise<void>

/** The networks of a model from sound to tokens. */
export interface Recognizer {
  /** Tokens of each item of samples. `between` is called between the networks' runs: it may throw to end the work. */
  recognize(items: readonly Float32Array[], between: Between): Promise<Emission[][]>
  release(): Promise<void>
}

/** Encoder and greedy search: TDT and RNN-T. */
export class TransducerRecognizer implements Recognizer {
  readonly #acoustics: Acoustics
  readonly #search: GreedySearch

  constructor(acoustics: Acoustics, search: GreedySearch) {
    this.#acoustics = acoustics
    this.#search = search
  }

  async recognize(items: readonly Float32Array[], between: Between): Promise<Emission[][]> {
    const parts: Encoded[] = []
    let heard = 0
    for (const part of partsOf(items, this.#acoustics.itemsAtOnce)) {
      await between(heard)
      parts.push(await encoded(this.#acoustics, part))
      heard += part.length
    }
    return this.#search.search(stacked(parts), () => between(heard))
  }

  async release(): Promise<void> {
    await releaseAcoustics(this.#acoustics)
    await this.#search.release()
  }
}

/** A network that says each frame's token by itself. */
export class CtcRecognizer implements Recognizer {
  readonly #acoustics: Acoustics
  readonly #tokens: number

  constructor(acoustics: Acoustics, tokens: number) {
    this.#acoustics = acoustics
    this.#tokens = tokens
  }

  async recognize(items: readonly Float32Array[], between: Between): Promise<Emission[][]> {
    const found: Emission[][] = []
    for (const part of partsOf(items, this.#acoustics.itemsAtOnce)) {
      await between(found.length)
      for (const { rows, frames } of await frameLogits(this.#acoustics, part, this.#tokens))
        found.push(ctcGreedy(rows, frames, this.#tokens, this.#tokens - 1))
    }
    return found
  }

  release(): Promise<void> {
    return releaseAcoustics(this.#acoustics)
  }
}

/** Batches of one width as one, padded to the longest. Its own data where there is only one. */
function stacked(parts: readonly Encoded[]): Encoded {
  const [first] = parts
  if (parts.length === 1 && first !== undefined) return first
  const channels = first?.channels ?? 0
  const frames = Math.max(0, ...parts.map((part) => part.frames))
  const items = parts.reduce((sum, part) => sum + part.items, 0)
  const data = new Float32Array(items * channels * frames)
  let row = 0
  for (const part of parts)
    for (let at = 0; at < part.items * channels; at++, row++)
      data.set(part.data.subarray(at * part.frames, (at + 1) * part.frames), row * frames)
  return { data, items, channels, frames, lengths: parts.flatMap((part) => part.lengths) }
}

function partsOf<Item>(items: readonly Item[], size: number): Item[][] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size))
}
