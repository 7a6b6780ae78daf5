/** A token as a decoder found it. Frames are the encoder's, numbered from the start of what it saw at once. */
export interface Emission {
  readonly token: number
  readonly frame: number
  /** How many frames it lasts, as far as the decoder knows; 0 where the next token follows in the same frame. */
  readonly frames: number
  /** The softmax over all tokens and blank, without the durations. */
  readonly probability: number
}

/** What an encoder makes of a batch: [item][channel][frame], items padded to the longest. */
export interface Encoded {
  readonly data: Float32Array
  readonly items: number
  readonly channels: number
  readonly frames: number
  /** The frames of each item. */
  readonly lengths: readonly number[]
}
