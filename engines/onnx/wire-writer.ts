/** Fields above this size are not copied: they stay chunks of their own until they are written to the file. */
const OWN_CHUNK_BYTES = 4096
const encoder = new TextEncoder()

/**
 * One protobuf message in the making, as a list of chunks. Small fields gather in a buffer; weights are only pointed at. A
 * nested message is written for itself first, since its length stands before it.
 */
export class WireWriter {
  #chunks: Uint8Array[] = []
  #small = Buffer.allocUnsafe(64)
  #used = 0
  /** Bytes so far. */
  size = 0

  /** A whole number, negative ones as ten bytes of two's complement. */
  integer(field: number, value: number | bigint): void {
    this.#varint(field * 8)
    this.#varint(value)
  }

  float(field: number, value: number): void {
    this.#varint(field * 8 + 5)
    this.#reserve(4)
    this.#small.writeFloatLE(value, this.#used)
    this.#grew(4)
  }

  text(field: number, value: string): void {
    this.bytes(field, encoder.encode(value))
  }

  bytes(field: number, value: Uint8Array): void {
    this.#varint(field * 8 + 2)
    this.#varint(value.byteLength)
    this.raw(value)
  }

  /** Repeated whole numbers, packed. */
  integers(field: number, values: readonly (number | bigint)[]): void {
    if (values.length === 0) return
    this.message(field, (packed) => {
      for (const value of values) packed.#varint(value)
    })
  }

  floats(field: number, values: readonly number[]): void {
    if (values.length > 0) this.bytes(field, new Uint8Array(Float32Array.from(values).buffer))
  }

  message(field: number, write: (message: WireWriter) => void): void {
    const message = new WireWriter()
    write(message)
    this.#varint(field * 8 + 2)
    this.#varint(message.size)
    for (const chunk of message.chunks()) this.raw(chunk)
  }

  /** Bytes as they are: the content of a field, or a field with its tag. */
  raw(bytes: Uint8Array): void {
    if (bytes.byteLength >= OWN_CHUNK_BYTES) {
      this.#cut()
      this.#chunks.push(bytes)
      this.size += bytes.byteLength
      return
    }
    this.#reserve(bytes.byteLength)
    this.#small.set(bytes, this.#used)
    this.#grew(bytes.byteLength)
  }

  /** All bytes in order. */
  chunks(): readonly Uint8Array[] {
    this.#cut()
    return this.#chunks
  }

  #varint(value: number | bigint): void {
    this.#reserve(10)
    if (typeof value === 'number' && value >= 0 && value <= 0x7fff_ffff) this.#smallVarint(value)
    else this.#largeVarint(BigInt.asUintN(64, BigInt(value)))
  }

  #smallVarint(value: number): void {
    let rest = value
    for (; rest > 127; rest >>>= 7) this.#byte((rest & 127) | 128)
    this.#byte(rest)
  }

  #largeVarint(value: bigint): void {
    let rest = value
    for (; rest > 127n; rest >>= 7n) this.#byte(Number(rest & 127n) | 128)
    this.#byte(Number(rest))
  }

  #byte(value: number): void {
    this.#small[this.#used] = value
    this.#grew(1)
  }

  #grew(count: number): void {
    this.#used += count
    this.size += count
  }

  #reserve(count: number): void {
    if (this.#used + count <= this.#small.length) return
    const larger = Buffer.allocUnsafe(Math.max(64, 2 * this.#small.length, this.#used + count))
    larger.set(this.#small.subarray(0, this.#used))
    this.#small = larger
  }

  #cut(): void {
    if (this.#used === 0) return
    this.#chunks.push(this.#small.subarray(0, this.#used))
    this.#small = this.#small.subarray(this.#used)
    this.#used = 0
  }
}
