export interface Loudness {
  /** Root mean square of all samples in decibels relative to full scale; a full-scale sine is −3.01. Null for silence. */
  readonly loudnessDbfs: number | null
  /** The largest sample. */
  readonly peakDbfs: number | null
}

/** Sums energy over a whole recording. No weighting and no gates: a figure to compare recordings by, not EBU R 128. */
export class LoudnessMeter {
  #squares = 0
  #count = 0
  #peak = 0

  push(samples: Int16Array): void {
    let squares = 0
    let lowest = 0
    let highest = 0
    for (let index = 0; index < samples.length; index++) {
      const sample = samples[index] ?? 0
      squares += sample * sample
      if (sample > highest) highest = sample
      if (sample < lowest) lowest = sample
    }
    this.#squares += squares
    this.#peak = Math.max(this.#peak, highest, -lowest)
    this.#count += samples.length
  }

  result(): Loudness {
    if (this.#peak === 0) return { loudnessDbfs: null, peakDbfs: null }
    return {
      loudnessDbfs: rounded(10 * Math.log10(this.#squares / this.#count / 32_768 ** 2)),
      peakDbfs: rounded(20 * Math.log10(this.#peak / 32_768)),
    }
  }
}

function rounded(decibels: number): number {
  return Math.round(decibels * 100) / 100
}
