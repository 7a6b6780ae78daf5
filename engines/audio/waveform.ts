import { PEAKS_PER_SECOND, SAMPLE_RATE_HZ } from '#protocol/audio.ts'

const SAMPLES_PER_PEAK = SAMPLE_RATE_HZ / PEAKS_PER_SECOND

/** The largest sample of each 1/20 s as a byte, 255 = full scale. What is begun at the end counts as a whole one. */
export class Waveform {
  #peak = 0
  #count = 0

  push(samples: Int16Array): Uint8Array {
    const peaks = new Uint8Array(Math.floor((this.#count + samples.length) / SAMPLES_PER_PEAK))
    let written = 0
    for (let from = 0; from < samples.length; ) {
      const to = Math.min(samples.length, from + SAMPLES_PER_PEAK - this.#count)
      this.#peak = Math.max(this.#peak, highest(samples, from, to))
      this.#count += to - from
      from = to
      if (this.#count === SAMPLES_PER_PEAK) peaks[written++] = this.#take()
    }
    return peaks
  }

  flush(): Uint8Array {
    return this.#count === 0 ? new Uint8Array(0) : Uint8Array.of(this.#take())
  }

  #take(): number {
    const byte = Math.round((this.#peak / 32_768) * 255)
    this.#peak = 0
    this.#count = 0
    return byte
  }
}

function highest(samples: Int16Array, from: number, to: number): number {
  let best = 0
  for (let index = from; index < to; index++) {
    const size = Math.abs(samples[index] ?? 0)
    if (size > best) best = size
  }
  return best
}
