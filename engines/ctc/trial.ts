import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import type { AcousticModel, NetworkLayout } from './acoustic-model.ts'
import { areNumbers } from './posteriors.ts'

/**
 * What a network puts out for a little noise is held against what its folder says of it: an export that means something else
 * runs as well, and would give a wrong text, or none, for ever.
 */
export async function trialProblem(acoustic: AcousticModel, layout: NetworkLayout): Promise<string | null> {
  const { samplesPerFrame } = acoustic.grid
  // A second, or enough frames for one too many to show.
  const moreFrames = Math.max(LEAST_FRAMES, Math.ceil(SAMPLE_RATE_HZ / samplesPerFrame))
  const some = Math.max(SAMPLE_RATE_HZ, layout.fewestSamples)
  const sound = noise(some + moreFrames * samplesPerFrame, layout.normalizes ? Math.sqrt(3) : 0.5)
  const [shorter, longer] = [await acoustic.hear(sound.subarray(0, some)), await acoustic.hear(sound)]
  const [, before = 0] = shorter.dims
  const [, frames = 0, tokens = 0] = longer.dims
  // Two lengths, since networks fill up their edges in different ways.
  if (Math.abs(frames - before - moreFrames) > 1)
    return `${layout.output}: expected a frame each ${samplesPerFrame} samples (${layout.framesFrom}), ${moreFrames * samplesPerFrame} more samples gave ${frames - before}`
  if (!areNumbers(longer.data)) return `${layout.output}: expected numbers, came NaN or infinity`
  return layout.isLogits
    ? logitsProblem(longer.data, tokens, layout)
    : logProbsProblem(longer.data, tokens, layout)
}

const LEAST_FRAMES = 20
/** Of a sum of probabilities: half floats and quantised outputs are not exact. */
const TOLERANCE = 0.05

/** Logits and log probabilities mean the same here; probabilities would make all tokens nearly alike. */
function logitsProblem(data: Float32Array, tokens: number, { output }: NetworkLayout): string | null {
  for (let row = 0; row < data.length; row += tokens) {
    let sum = 0
    for (const value of data.subarray(row, row + tokens)) {
      if (value < 0) return null
      sum += value
    }
    if (Math.abs(sum - 1) > TOLERANCE) return null
  }
  return `${output}: expected logits, came probabilities`
}

function logProbsProblem(data: Float32Array, tokens: number, { output }: NetworkLayout): string | null {
  for (let row = 0; row < data.length; row += tokens) {
    let sum = 0
    for (const value of data.subarray(row, row + tokens)) sum += Math.exp(value)
    if (!(Math.abs(sum - 1) <= TOLERANCE))
      return `${output}: expected natural logarithms of probabilities that add up to 1, they add up to ${sum.toPrecision(3)}`
  }
  return null
}

/** The same at every load. √3 makes a variance of 1, which a network that normalises expects. */
function noise(length: number, amplitude: number): Float32Array {
  let state = 1
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
    return (state / 2 ** 31) * amplitude
  })
}
