import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { roundSeconds, SAMPLE_RATE_HZ } from '#protocol/audio.ts'

/** A minute of sound in one file: 1.9 MB. */
const FILE_BYTES = 60 * SAMPLE_RATE_HZ * 2
/** A program that is this many minutes behind has lost the stream. */
const MOST_FILES = 5

export interface SampleRange {
  readonly path: string
  readonly from_byte: number
  readonly to_byte: number
  readonly start: number
}

/** The newest minutes of a live stream on disk, as s16le. */
export class SampleFiles {
  readonly #folder = mkdtempSync(join(tmpdir(), 'dalston-stream-'))
  #count = 0
  #file: number | null = null
  #path = ''
  #bytes = 0
  #samples = 0

  append(samples: Float32Array): SampleRange {
    if (this.#file === null || this.#bytes >= FILE_BYTES) this.#next()
    const s16 = Int16Array.from(samples, (sample) => Math.max(-1, Math.min(1, sample)) * 32_767)
    const from_byte = this.#bytes
    const start = roundSeconds(this.#samples / SAMPLE_RATE_HZ)
    writeSync(this.#file ?? -1, new Uint8Array(s16.buffer))
    this.#bytes += s16.byteLength
    this.#samples += samples.length
    return { path: this.#path, from_byte, to_byte: this.#bytes, start }
  }

  remove(): void {
    if (this.#file !== null) closeSync(this.#file)
    this.#file = null
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #next(): void {
    if (this.#file !== null) closeSync(this.#file)
    this.#count += 1
    this.#path = this.#pathOf(this.#count)
    this.#file = openSync(this.#path, 'w', 0o600)
    this.#bytes = 0
    rmSync(this.#pathOf(this.#count - MOST_FILES), { force: true })
  }

  #pathOf(index: number): string {
    return join(this.#folder, `${index}.s16`)
  }
}
