import { melFilters } from '#engines/onnx/mel-filters.ts'

/** What log-mel graphs compute, once more in plain double precision, straight from the formulas. [mel][frame] */
export function whisperReference(sound: Float32Array, mels: number): Float64Array[] {
  const filled = new Float64Array(480_000)
  filled.set(sound.subarray(0, filled.length))
  const reflected = (at: number) => {
    const inside = at < 0 ? -at : at
    return filled[inside < filled.length ? inside : 2 * filled.length - 2 - inside] ?? 0
  }
  const window = Float64Array.from({ length: 400 }, (_, at) => Math.sin((Math.PI * at) / 400) ** 2)
  const energies = melSpectrogram(
    3000,
    400,
    mels,
    (frame, at) => reflected(frame * 160 - 200 + at) * (window[at] ?? 0),
  )
  const log = energies.map((row) => row.map((energy) => Math.log10(Math.max(energy, 1e-10))))
  const floor = log.reduce((most, row) => row.reduce((a, b) => Math.max(a, b), most), -Infinity) - 8
  return log.map((row) => row.map((value) => (Math.max(value, floor) + 4) / 4))
}

/** What is behind `length` does not count; a row has `samples / 160 + 1` frames. */
export function nemoReference(sound: Float32Array, length: number, mels: number): Float64Array[] {
  const at = (index: number) => (index >= 0 && index < length ? (sound[index] ?? 0) : 0)
  const sharper = Float64Array.from({ length }, (_, index) => at(index) - 0.97 * at(index - 1))
  const window = new Float64Array(512)
  for (let index = 0; index < 400; index++) window[56 + index] = Math.sin((Math.PI * index) / 399) ** 2
  const frames = Math.floor(sound.length / 160) + 1
  const valid = Math.floor(length / 160)
  const energies = melSpectrogram(
    frames,
    512,
    mels,
    (frame, index) => (sharper[frame * 160 - 256 + index] ?? 0) * (window[index] ?? 0),
  )
  return energies.map((row) => {
    const log = row.map((energy) => Math.log(energy + 2 ** -24)).subarray(0, valid)
    const mean = log.reduce((sum, value) => sum + value, 0) / valid
    const squares = log.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    const deviation = Math.sqrt(squares / (valid - 1)) + 1e-5
    return row.map((_, frame) => (frame < valid ? ((log[frame] ?? 0) - mean) / deviation : 0))
  })
}

type Sample = (frame: number, at: number) => number

function melSpectrogram(frames: number, size: number, mels: number, sample: Sample): Float64Array[] {
  const filters = melFilters(mels, size, 16_000)
  const energies = filters.map(() => new Float64Array(frames))
  for (let frame = 0; frame < frames; frame++) {
    const samples = Float64Array.from({ length: size }, (_, at) => sample(frame, at))
    if (samples.every((value) => value === 0)) continue
    const power = powerOf(samples)
    for (const [mel, filter] of filters.entries()) {
      const row = energies[mel]
      if (row !== undefined)
        row[frame] = filter.reduce((sum, weight, bin) => sum + weight * (power[bin] ?? 0), 0)
    }
  }
  return energies
}

/** The discrete Fourier transform as it is written. */
function powerOf(frame: Float64Array): Float64Array {
  const cosines = cosinesOf(frame.length)
  return Float64Array.from({ length: frame.length / 2 + 1 }, (_, bin) => {
    let cosine = 0
    let sine = 0
    for (let at = 0; at < frame.length; at++) {
      const angle = (bin * at) % frame.length
      cosine += (frame[at] ?? 0) * (cosines[angle] ?? 0)
      sine += (frame[at] ?? 0) * (cosines[(angle + (3 * frame.length) / 4) % frame.length] ?? 0)
    }
    return cosine ** 2 + sine ** 2
  })
}

const tables = new Map<number, Float64Array>()

/** A sine is a cosine three quarters later: both lengths divide by four. */
function cosinesOf(length: number): Float64Array {
  const known = tables.get(length)
  if (known !== undefined) return known
  const table = Float64Array.from({ length }, (_, at) => Math.cos((2 * Math.PI * at) / length))
  tables.set(length, table)
  return table
}
