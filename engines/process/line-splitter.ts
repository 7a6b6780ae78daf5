/** Lines of a byte stream, none longer than `mostBytes`: what a program writes never grows in memory. */
export class LineSplitter {
  readonly #mostBytes: number
  #parts: Buffer[] = []
  #bytes = 0

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  /** The lines that a chunk completes, without their ends. Throws a `RangeError` when a line is too long. */
  push(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = []
    let from = 0
    for (let to = chunk.indexOf(NEWLINE); to !== -1; to = chunk.indexOf(NEWLINE, from)) {
      this.#add(chunk.subarray(from, to))
      lines.push(Buffer.concat(this.#parts))
      this.#parts = []
      this.#bytes = 0
      from = to + 1
    }
    this.#add(chunk.subarray(from))
    return lines
  }

  /** What came behind the last end of a line. */
  rest(): Buffer {
    return Buffer.concat(this.#parts)
  }

  #add(part: Buffer): void {
    this.#bytes += part.length
    if (this.#bytes > this.#mostBytes)
      throw new RangeError(`expected lines of at most ${this.#mostBytes} bytes`)
    if (part.length > 0) this.#parts.push(part)
  }
}

const NEWLINE = 10
