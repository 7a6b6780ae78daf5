import type { Step } from './decoder-run.ts'
import type { AttentionRows } from './time-warping.ts'

/** Layer and head. */
export type Head = readonly [number, number]

/** Collects a row's cross-attention of some heads, token by token, over the frames that hold its sound. */
export class AttentionLog {
  readonly #heads: readonly Head[]
  readonly #frames: number
  /** One a token: [head][frame]. */
  readonly #tokens: Float32Array[] = []

  constructor(heads: readonly Head[], frames: number) {
    this.#heads = heads
    this.#frames = frames
  }

  add(step: Step, row: number): void {
    for (let position = 0; position < step.positions; position++) {
      const weights = new Float32Array(this.#heads.length * this.#frames)
      for (const [index, [layer, head]] of this.#heads.entries())
        weights.set(this.#weights(step, row, layer, head, position), index * this.#frames)
      this.#tokens.push(weights)
    }
  }

  rows(): AttentionRows {
    const [heads, frames, tokens] = [this.#heads.length, this.#frames, this.#tokens.length]
    const weights = new Float32Array(heads * tokens * frames)
    for (const [token, one] of this.#tokens.entries())
      for (let head = 0; head < heads; head++)
        weights.set(one.subarray(head * frames, (head + 1) * frames), (head * tokens + token) * frames)
    return { heads, tokens, frames, weights }
  }

  /** Of a layer's [row][head][position][encoder position]. */
  #weights(step: Step, row: number, layer: number, head: number, position: number): Float32Array {
    const all = step.attention.get(layer)
    if (all === undefined) throw new Error(`no cross-attention of layer ${layer} was asked for`)
    const { headCount, encoderPositions } = step
    const from = ((row * headCount + head) * step.positions + position) * encoderPositions
    return all.subarray(from, from + this.#frames)
  }
}
