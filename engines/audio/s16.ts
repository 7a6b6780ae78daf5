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

/** Joins chunks of bytes into whole samples: an odd byte waits for the next chunk. */
export class SampleJoiner {
  #rest: number | null = null

  push(bytes: Uint8Array): Int16Array {
    const before = this.#rest === null ? 0 : 1
    const count = (before + bytes.length) >> 1
    const joined = new Uint8Array(count * 2)
    if (this.#rest !== null && count > 0) joined[0] = this.#rest
    if (count === 0) {
      if (bytes.length === 1) this.#rest = bytes[0] ?? null
      return new Int16Array(0)
    }
    const taken = count * 2 - before
    joined.set(bytes.subarray(0, taken), before)
    this.#rest = taken < bytes.length ? (bytes[taken] ?? null) : null
    return new Int16Array(joined.buffer)
  }
}
