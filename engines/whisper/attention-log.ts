import type { StepAttention } from './step-attention.ts'
import type { AttentionRows } from './time-warping.ts'

/** Collects a row's cross-attention of some heads, token by token, over the frames that hold its sound. */
export class AttentionLog {
  readonly #heads: number
  readonly #frames: number
  /** One a token: [head][frame]. */
  readonly #tokens: Float32Array[] = []

  constructor(heads: number, frames: number) {
    this.#heads = heads
    this.#frames = frames
  }

  add(attention: StepAttention, row: number, position: number): void {
    const weights = new Float32Array(this.#heads * this.#frames)
    for (let head = 0; head < this.#heads; head++)
      weights.set(attention.weights(row, head, position).subarray(0, this.#frames), head * this.#frames)
    this.#tokens.push(weights)
  }

  rows(): AttentionRows {
    const [heads, frames, tokens] = [this.#heads, this.#frames, this.#tokens.length]
    const weights = new Float32Array(heads * tokens * frames)
    for (const [token, one] of this.#tokens.entries())
      for (let head = 0; head < heads; head++)
        weights.set(one.subarray(head * frames, (head + 1) * frames), (head * tokens + token) * frames)
    return { heads, tokens, frames, weights }
  }
}
