import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import { type Acoustics, encoded, frameLogits } from './acoustics.ts'
import type { Encoded } from './emission.ts'
import { FEATURE_HOP_SAMPLES } from './model-config.ts'

/**
 * The network that hears runs on a little noise when it is loaded: exports seldom state their sizes, and one that means
 * something else would run as well, and give wrong words at wrong times for ever. A second tells, and costs a load little.
 */
const TRIAL_SAMPLES = SAMPLE_RATE_HZ

/** What the encoder of a transducer makes of it: what the search is tried on. */
export async function encodedInTrial(acoustics: Acoustics): Promise<Encoded> {
  const heard = await encoded(acoustics, [trialSound()])
  checkFrames(acoustics, heard.lengths[0] ?? 0)
  return heard
}

export async function tryCtc(acoustics: Acoustics, tokens: number): Promise<void> {
  const [logits] = await frameLogits(acoustics, [trialSound()], tokens)
  checkFrames(acoustics, logits?.given ?? 0)
}

function checkFrames(acoustics: Acoustics, frames: number): void {
  const expected = Math.ceil(TRIAL_SAMPLES / FEATURE_HOP_SAMPLES / acoustics.subsampling)
  // Networks fill up the edges of their sound in different ways.
  if (Math.abs(frames - expected) > 2)
    throw acoustics.invalid(
      acoustics.networkFile,
      `expected about ${expected} frames of 1 s (config.json: subsampling_factor is ${acoustics.subsampling}), came ${frames}`,
    )
}

/** The same at every load. */
function trialSound(): Float32Array {
  let state = 1
  return Float32Array.from({ length: TRIAL_SAMPLES }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
    return state / 2 ** 33
  })
}
