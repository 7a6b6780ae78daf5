import type { Emission } from './emission.ts'

/**
 * The most likely token of each frame ([frame][token], natural log or any logits), repeats joined and blanks taken out. A
 * token lasts from the first to the last of its frames, and is as likely as on the surest of them. Pure.
 */
export function ctcGreedy(
  logits: Float32Array,
  frames: number,
  tokenCount: number,
  blank: number,
): Emission[] {
  const found: { token: number; frame: number; frames: number; probability: number }[] = []
  let last = blank
  for (let frame = 0; frame < frames; frame++) {
    const row = logits.subarray(frame * tokenCount, (frame + 1) * tokenCount)
    const token = largest(row)
    const open = found.at(-1)
    if (token === last && token !== blank && open !== undefined) {
      open.frames += 1
      open.probability = Math.max(open.probability, probabilityOf(row, token))
    } else if (token !== blank)
      found.push({ token, frame, frames: 1, probability: probabilityOf(row, token) })
    last = token
  }
  return found
}

/** The first of the largest values. */
export function largest(values: Float32Array): number {
  let best = 0
  for (let index = 1; index < values.length; index++)
    if ((values[index] ?? 0) > (values[best] ?? 0)) best = index
  return best
}

/** The softmax of one of the values. */
export function probabilityOf(values: Float32Array, index: number): number {
  const top = values[index] ?? 0
  let sum = 0
  for (const value of values) sum += Math.exp(value - top)
  return 1 / sum
}
