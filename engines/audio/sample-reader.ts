import { type FileHandle, open } from 'node:fs/promises'

/** Ranges of a raw s16le file as samples from −1 to 1: a recording of any length in the memory of one range. */
export class SampleReader implements AsyncDisposable {
  readonly #file: FileHandle
  #bytes = new Uint8Array(0)

  private constructor(file: FileHandle) {
    this.#file = file
  }

  static async open(path: string): Promise<SampleReader> {
    return new SampleReader(await open(path))
  }

  /** Fills `into` from a sample on; the count is less than its length at the end of the file. */
  async read(fromSample: number, into: Float32Array): Promise<number> {
    if (this.#bytes.length < into.length * 2) this.#bytes = new Uint8Array(into.length * 2)
    const wanted = into.length * 2
    let read = 0
    while (read < wanted) {
      const got = await this.#file.read(this.#bytes, read, wanted - read, fromSample * 2 + read)
      if (got.bytesRead === 0) break
      read += got.bytesRead
    }
    const samples = new Int16Array(this.#bytes.buffer, 0, read >> 1)
    for (let index = 0; index < samples.length; index++) into[index] = (samples[index] ?? 0) / 32_768
    return samples.length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }
}
