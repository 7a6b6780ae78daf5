/** Layers that turn a window's sound into what a network takes, and its outputs into log probabilities. Pure, in place. */

/** What keeps silence from being divided by nothing; of the exporters' own feature extractor. */
const VARIANCE_FLOOR = 1e-7

/** Zero mean and unit variance. */
export function normalize(samples: Float32Array): void {
  if (samples.length === 0) return
  let sum = 0
  for (const sample of samples) sum += sample
  const mean = sum / samples.length
  let squares = 0
  for (const sample of samples) squares += (sample - mean) ** 2
  const scale = 1 / Math.sqrt(squares / samples.length + VARIANCE_FLOOR)
  for (let at = 0; at < samples.length; at++) samples[at] = ((samples[at] ?? 0) - mean) * scale
}

/** Whether no value is NaN, and none is so large that a row cannot be a share of it. */
export function areNumbers(values: Float32Array): boolean {
  for (const value of values) if (!(value < Number.POSITIVE_INFINITY)) return false
  return true
}

/**
 * [frame][token] logits become natural log probabilities. What the `unwritten` tokens have goes to the blank: a mark such as
 * `<unk>` writes nothing.
 */
export function logSoftmax(
  logits: Float32Array,
  tokenCount: number,
  blank: number,
  unwritten: readonly number[],
): void {
  for (let row = 0; row + tokenCount <= logits.length; row += tokenCount) {
    let most = Number.NEGATIVE_INFINITY
    for (let token = 0; token < tokenCount; token++) most = Math.max(most, logits[row + token] ?? 0)
    let sum = 0
    for (let token = 0; token < tokenCount; token++) sum += Math.exp((logits[row + token] ?? 0) - most)
    let nothing = Math.exp((logits[row + blank] ?? 0) - most)
    for (const token of unwritten) nothing += Math.exp((logits[row + token] ?? 0) - most)
    const total = most + Math.log(sum)
    for (let token = 0; token < tokenCount; token++) logits[row + token] = (logits[row + token] ?? 0) - total
    logits[row + blank] = Math.log(nothing / sum)
    for (const token of unwritten) logits[row + token] = Number.NEGATIVE_INFINITY
  }
}
