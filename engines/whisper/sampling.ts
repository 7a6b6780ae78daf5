/** Choosing a token from a row of logits, and how likely it was. Pure, and without allocation but for the answer. */
export interface Choice {
  token: number
  /** Natural log of its probability among all that might have come. */
  logProb: number
}

/** A logit this far below the highest adds less than 2e-9 of it: all of a vocabulary together change the eighth digit. */
const NEGLIGIBLE = 20

/** The most likely token; the first of equal ones. */
export function likeliest(logits: Float32Array, into: Choice): void {
  let highest = Number.NEGATIVE_INFINITY
  let best = 0
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] ?? highest
    if (logit > highest) {
      highest = logit
      best = token
    }
  }
  into.token = best
  into.logProb = -Math.log(expSum(logits, highest))
}

/**
 * A token by chance: with probability in proportion to exp(logit / temperature). Its `logProb` is that of the logits as they
 * are, as the reference counts it (`GreedyDecoder.update`). `random`: one number from 0 to 1.
 */
export function sampled(logits: Float32Array, temperature: number, random: number, into: Choice): void {
  let highest = Number.NEGATIVE_INFINITY
  for (const logit of logits) if (logit > highest) highest = logit
  let sum = 0
  for (const logit of logits) sum += Math.exp((logit - highest) / temperature)
  let left = random * sum
  let chosen = -1
  for (let token = 0; token < logits.length; token++) {
    const weight = Math.exp(((logits[token] ?? 0) - highest) / temperature)
    if (weight === 0) continue
    chosen = token
    left -= weight
    if (left <= 0) break
  }
  into.token = Math.max(0, chosen)
  into.logProb = (logits[into.token] ?? highest) - highest - Math.log(expSum(logits, highest))
}

/** The probability of one token among all. */
export function probability(logits: Float32Array, token: number): number {
  let highest = Number.NEGATIVE_INFINITY
  for (const logit of logits) if (logit > highest) highest = logit
  return Math.exp((logits[token] ?? Number.NEGATIVE_INFINITY) - highest) / expSum(logits, highest)
}

function expSum(logits: Float32Array, highest: number): number {
  const floor = highest - NEGLIGIBLE
  let sum = 0
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] ?? floor
    // Not `>`: what is no number has to make the sum none.
    if (!(logit <= floor)) sum += Math.exp(logit - highest)
  }
  return sum
}

/** Random numbers from 0 to 1, the same for the same seed (mulberry32): a rerun gives the same text. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
