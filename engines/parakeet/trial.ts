import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import { type Acoustics, encoded, frameLogits } from './acoustics.ts'
import { FEATURE_HOP_SAMPLES } from './model-config.ts'

/**
 * The network that hears runs on a little noise when it is loaded: exports seldom state their sizes, and one that means
 * something else would run as well, and give wrong words at wrong times for ever.
 */
export const TRIAL_SAMPLES = 4 * SAMPLE_RATE_HZ

export interface Heard {
  readonly frames: number
  /** Of an encoder; a CTC model's tokens. */
  readonly channels: number
}

export async function heardInTrial(acoustics: Acoustics, ctcTokens: number | null): Promise<Heard> {
  const items = [trialSound()]
  const heard = await (ctcTokens === null
    ? encoderHeard(acoustics, items)
    : ctcHeard(acoustics, items, ctcTokens))
  const expected = Math.ceil(TRIAL_SAMPLES / FEATURE_HOP_SAMPLES / acoustics.subsampling)
  // Networks fill up the edges of their sound in different ways.
  if (Math.abs(heard.frames - expected) > 2)
    throw acoustics.invalid(
      acoustics.networkFile,
      `expected about ${expected} frames of 4 s (config.json: subsampling_factor is ${acoustics.subsampling}), came ${heard.frames}`,
    )
  return heard
}

/** The same at every load. */
export function trialSound(): Float32Array {
  let state = 1
  return Float32Array.from({ length: TRIAL_SAMPLES }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
    return state / 2 ** 33
  })
}

async function encoderHeard(acoustics: Acoustics, items: readonly Float32Array[]): Promise<Heard> {
  const { lengths, channels } = await encoded(acoustics, items)
  return { frames: lengths[0] ?? 0, channels }
}

async function ctcHeard(
  acoustics: Acoustics,
  items: readonly Float32Array[],
  tokens: number,
): Promise<Heard> {
  const [logits] = await frameLogits(acoustics, items, tokens)
  return { frames: logits?.given ?? 0, channels: tokens }
}
