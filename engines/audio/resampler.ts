/**
 * A streaming polyphase resampler with a Kaiser-windowed sinc. Pure and of constant memory.
 *
 * With R the lower of the two rates: −6 dB at 0.469 R, flat within 0.1 dB up to 0.415 R, and at least 75 dB down from
 * 0.522 R on. At R = 16 kHz: flat to 6.6 kHz, and only what lies between 7.5 and 8.35 kHz can fold, into 7.65–8 kHz,
 * above the highest filter of speech features.
 */
const ZERO_CROSSINGS = 24
/** Where the response is −6 dB, as a part of the lower rate; half a transition band below Nyquist's half. */
const CUTOFF = 0.469
/** Kaiser's β for an 80 dB stop band: 0.1102 (80 − 8.7). */
const KAISER_BETA = 7.857
/** A table of more coefficients (rates without a common divisor) would cost more memory than a recording is worth. */
const MAX_COEFFICIENTS = 4_000_000

/** Whether the exact filter bank for these rates is small enough; if not, another decoder resamples. */
export function canResample(fromHz: number, toHz: number): boolean {
  const { phases, taps } = shapeOf(fromHz, toHz)
  return phases * taps <= MAX_COEFFICIENTS
}

export class Resampler {
  readonly #phases: number
  readonly #step: number
  readonly #taps: number
  readonly #filters: Float64Array
  /** Input that later outputs still need, from the silence before the first sample on. */
  #buffer: Float64Array
  #filled: number
  /** Where in the buffer the next output's filter begins, and which filter it is. */
  #from = 0
  #phase = 0
  #input = 0
  #output = 0

  /** One a channel. They share one filter bank, which weighs more than all else. */
  static several(count: number, fromHz: number, toHz: number): Resampler[] {
    const { phases, step, taps } = shapeOf(fromHz, toHz)
    const filters = filterBank(phases, step, taps)
    return Array.from({ length: count }, () => new Resampler(fromHz, toHz, filters))
  }

  constructor(fromHz: number, toHz: number, filters?: Float64Array) {
    const { phases, step, taps } = shapeOf(fromHz, toHz)
    this.#phases = phases
    this.#step = step
    this.#taps = taps
    this.#filters = filters ?? filterBank(phases, step, taps)
    this.#buffer = new Float64Array(taps * 2 + 8192)
    this.#filled = taps / 2 - 1
  }

  /** The output samples that `samples` completes; the filter's delay is taken out, so positions stay. */
  push(samples: Float32Array): Float32Array {
    this.#append(samples)
    this.#input += samples.length
    return this.#drain(Number.POSITIVE_INFINITY)
  }

  /** The rest: as many samples in all as the input lasts, to the nearest. */
  flush(): Float32Array {
    this.#append(new Float32Array(this.#taps))
    return this.#drain(Math.round((this.#input * this.#phases) / this.#step) - this.#output)
  }

  #append(samples: Float32Array): void {
    const needed = this.#filled + samples.length
    if (needed > this.#buffer.length) {
      const larger = new Float64Array(needed + 8192)
      larger.set(this.#buffer.subarray(0, this.#filled))
      this.#buffer = larger
    }
    this.#buffer.set(samples, this.#filled)
    this.#filled = needed
  }

  #drain(most: number): Float32Array {
    const taps = this.#taps
    const lastFrom = this.#filled - taps
    const possible = Math.ceil(((lastFrom - this.#from + 1) * this.#phases - this.#phase) / this.#step)
    const result = new Float32Array(Math.max(0, Math.min(possible, most)))
    let from = this.#from
    let phase = this.#phase
    for (let index = 0; index < result.length; index++) {
      result[index] = product(this.#filters, phase * taps, this.#buffer, from, taps)
      phase += this.#step
      while (phase >= this.#phases) {
        phase -= this.#phases
        from += 1
      }
    }
    const keepFrom = Math.min(from, this.#filled)
    this.#buffer.copyWithin(0, keepFrom, this.#filled)
    this.#filled -= keepFrom
    this.#from = from - keepFrom
    this.#phase = phase
    this.#output += result.length
    return result
  }
}

/** The sum of `count` products, a multiple of four. Four sums at once, since the additions of one wait for each other. */
function product(a: Float64Array, fromA: number, b: Float64Array, fromB: number, count: number): number {
  let sum0 = 0
  let sum1 = 0
  let sum2 = 0
  let sum3 = 0
  const end = fromA + count
  for (let atA = fromA, atB = fromB; atA < end; atA += 4, atB += 4) {
    sum0 += (a[atA] ?? 0) * (b[atB] ?? 0)
    sum1 += (a[atA + 1] ?? 0) * (b[atB + 1] ?? 0)
    sum2 += (a[atA + 2] ?? 0) * (b[atB + 2] ?? 0)
    sum3 += (a[atA + 3] ?? 0) * (b[atB + 3] ?? 0)
  }
  return sum0 + sum1 + sum2 + sum3
}

/** Output sample n stands at input position n · step / phases. */
function shapeOf(fromHz: number, toHz: number): { phases: number; step: number; taps: number } {
  const divisor = greatestCommonDivisor(fromHz, toHz)
  const phases = toHz / divisor
  const step = fromHz / divisor
  return { phases, step, taps: 4 * Math.ceil((ZERO_CROSSINGS / 2) * Math.max(1, fromHz / toHz)) }
}

/** [phase][tap]; each phase sums to one, so that a constant stays what it is. */
function filterBank(phases: number, step: number, taps: number): Float64Array {
  const bank = new Float64Array(phases * taps)
  const cutoff = 2 * CUTOFF * Math.min(1, phases / step)
  const half = taps / 2
  const scale = 1 / besselI0(KAISER_BETA)
  for (let phase = 0; phase < phases; phase++) {
    const row = bank.subarray(phase * taps, (phase + 1) * taps)
    let sum = 0
    for (let tap = 0; tap < taps; tap++) {
      const distance = tap - half + 1 - phase / phases
      const place = Math.min(1, Math.abs(distance) / half)
      const window = besselI0(KAISER_BETA * Math.sqrt(1 - place * place)) * scale
      const angle = Math.PI * cutoff * distance
      const value = window * (angle === 0 ? 1 : Math.sin(angle) / angle)
      row[tap] = value
      sum += value
    }
    for (let tap = 0; tap < taps; tap++) row[tap] = (row[tap] ?? 0) / sum
  }
  return bank
}

/** The modified Bessel function of order zero, by its series. */
function besselI0(x: number): number {
  let term = 1
  let sum = 1
  for (let k = 1; term > sum * 1e-14; k++) {
    term *= (x / (2 * k)) ** 2
    sum += term
  }
  return sum
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
