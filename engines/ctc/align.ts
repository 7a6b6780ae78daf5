import { NOTHING } from './log-math.ts'

/** Where each token lies on the most likely path that writes the text: first and last frame, both inclusive. */
export interface Alignment {
  readonly first: Int32Array
  readonly last: Int32Array
}

/** How the best path came into a state: it was there, came from the one before, or jumped over a blank. */
const STAYED = 0
const NEXT = 1
const JUMPED = 2

/**
 * The Viterbi path of a token sequence through CTC posteriors ([frame][token], natural log): blanks between tokens are
 * free, but for equal neighbours, which need one. Null where the frames are too few for the tokens. Pure.
 */
export function align(
  logProbs: Float32Array,
  frames: number,
  tokenCount: number,
  blank: number,
  tokens: readonly number[],
): Alignment | null {
  const states = tokens.length * 2 + 1
  const moves = new Uint8Array(frames * states)
  let scores = new Float64Array(states).fill(NOTHING)
  let before = new Float64Array(states).fill(NOTHING)
  // Before the first frame the path stands outside, from where the first blank and the first token are one step away.
  for (let frame = 0; frame < frames; frame++) {
    ;[before, scores] = [scores, before]
    const row = frame * tokenCount
    const lastState = Math.min(states - 1, 2 * frame + 1)
    for (let state = 0; state <= lastState; state++) {
      const token = state % 2 === 0 ? blank : (tokens[state >> 1] ?? blank)
      let score = frame === 0 ? 0 : (before[state] ?? NOTHING)
      let move = STAYED
      if (frame > 0) {
        const next = state > 0 ? (before[state - 1] ?? NOTHING) : NOTHING
        if (next > score) {
          score = next
          move = NEXT
        }
        const mayJump = state % 2 === 1 && state > 1 && token !== tokens[(state >> 1) - 1]
        const jumped = mayJump ? (before[state - 2] ?? NOTHING) : NOTHING
        if (jumped > score) {
          score = jumped
          move = JUMPED
        }
      }
      scores[state] = score + (logProbs[row + token] ?? NOTHING)
      moves[frame * states + state] = move
    }
    for (let state = lastState + 1; state < states; state++) scores[state] = NOTHING
  }
  const endsInToken = (scores[states - 2] ?? NOTHING) > (scores[states - 1] ?? NOTHING)
  const end = endsInToken ? states - 2 : states - 1
  if ((scores[end] ?? NOTHING) === NOTHING) return null
  return traced(moves, frames, states, end, tokens.length)
}

function traced(moves: Uint8Array, frames: number, states: number, end: number, count: number): Alignment {
  const first = new Int32Array(count).fill(-1)
  const last = new Int32Array(count).fill(-1)
  let state = end
  for (let frame = frames - 1; frame >= 0; frame--) {
    if (state % 2 === 1) {
      const index = state >> 1
      first[index] = frame
      if (last[index] === -1) last[index] = frame
    }
    state -= moves[frame * states + state] ?? STAYED
  }
  return { first, last }
}
