/** Samples from −1 to 1 as signed 16 bit numbers; what is louder is held at the edge. Pure. */
export function toS16(samples: Float32Array): Int16Array {
  const result = new Int16Array(samples.length)
  for (let index = 0; index < samples.length; index++) {
    const value = Math.round((samples[index] ?? 0) * 32_768)
    result[index] = value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value
  }
  return result
}

/** The bytes of s16le samples, without a copy where the machine is little-endian, as all that Node 24 supports here are. */
export function bytesOf(samples: Int16Array): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)
}

/** Joins chunks of bytes into whole frames of samples: what is begun waits for the next chunk. */
export class FrameJoiner {
  readonly #frameBytes: number
  #rest = new Uint8Array(0)

  constructor(channels: number) {
    this.#frameBytes = channels * 2
  }

  push(bytes: Uint8Array): Int16Array {
    const length = this.#rest.length + bytes.length
    const whole = length - (length % this.#frameBytes)
    if (whole === 0) {
      this.#rest = Uint8Array.of(...this.#rest, ...bytes)
      return new Int16Array(0)
    }
    const joined = new Uint8Array(whole)
    const taken = whole - this.#rest.length
    joined.set(this.#rest)
    joined.set(bytes.subarray(0, taken), this.#rest.length)
    // A copy: whoever gave the chunk may use its memory again.
    this.#rest = Uint8Array.from(bytes.subarray(taken))
    return new Int16Array(joined.buffer)
  }
}
