import { audioError } from './audio-error.ts'
import { FrameJoiner } from './s16.ts'
import { readWavHeader } from './wav-header.ts'

/** ffmpeg writes less than 200 bytes before the samples. */
const MAX_HEADER_BYTES = 4096

/** Bare samples of the mix, or a WAV of all channels. */
export type OutputFormat = 's16le' | 'wav'

/**
 * The bytes that ffmpeg pipes, as whole frames: of bare mono samples, or of a WAV. Where channels are kept apart only a
 * header can tell how many there are: it comes before their samples, what ffmpeg says on stderr comes at any time.
 */
export class FfmpegOutput {
  /** Known when the first frames have come. */
  channels = 1
  #joiner: FrameJoiner | null
  #head = new Uint8Array(0)

  constructor(format: OutputFormat) {
    this.#joiner = format === 's16le' ? new FrameJoiner(this.channels) : null
  }

  /** Interleaved samples. */
  async push(bytes: Uint8Array): Promise<Int16Array> {
    if (this.#joiner !== null) return this.#joiner.push(bytes)
    const head = Buffer.concat([this.#head, bytes])
    const readAt = async (position: number, length: number) => head.subarray(position, position + length)
    const reading = await readWavHeader(readAt, head.length)
    if (reading.type === 'header') {
      this.channels = reading.header.channels
      this.#joiner = new FrameJoiner(this.channels)
      return this.#joiner.push(head.subarray(reading.header.dataStart))
    }
    // Its end may still be to come.
    this.#head = head
    if (head.length <= MAX_HEADER_BYTES) return new Int16Array(0)
    const problem = reading.type === 'broken' ? reading.problem : `its codec is ${reading.codec}`
    throw audioError('invalid_audio', `ffmpeg wrote a WAV that cannot be read: ${problem}.`)
  }
}
