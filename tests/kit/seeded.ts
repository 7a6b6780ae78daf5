/** Random numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** [frame][token] of natural logs whose rows add up to one; a larger `sharpness` makes surer rows. */
export function randomLogProbs(
  random: () => number,
  frames: number,
  tokens: number,
  sharpness: number,
): Float32Array {
  const logProbs = new Float32Array(frames * tokens)
  for (let frame = 0; frame < frames; frame++) {
    const row = Array.from({ length: tokens }, () => random() * sharpness)
    const total = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0))
    for (const [token, value] of row.entries()) logProbs[frame * tokens + token] = value - total
  }
  return logProbs
}
