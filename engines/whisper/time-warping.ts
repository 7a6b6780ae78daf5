/**
 * Where each token lies in the sound, from cross-attention (openai/whisper, `timing.py`: `find_alignment`, `median_filter`,
 * `dtw_cpu`). Pure.
 */

/** [head][token][frame], one after another. */
export interface AttentionRows {
  readonly heads: number
  readonly tokens: number
  readonly frames: number
  readonly weights: Float32Array
}

/**
 * The frame at which each of the tokens from `firstRow` on begins. Per head and frame the weights are brought to mean 0 and
 * deviation 1 over all tokens, smoothed over the frames, averaged over the heads, and the path of least cost through them is
 * found. The attention is used up: it holds the normalized weights afterwards.
 */
export function tokenFrames(attention: AttentionRows, firstRow: number, filterWidth: number): Int32Array {
  normalize(attention)
  smooth(attention, filterWidth)
  return beginnings(costs(attention, firstRow), attention.tokens - firstRow, attention.frames)
}

function normalize({ heads, tokens, frames, weights }: AttentionRows): void {
  for (let head = 0; head < heads; head++) {
    const first = head * tokens * frames
    for (let frame = 0; frame < frames; frame++) {
      let sum = 0
      for (let token = 0; token < tokens; token++) sum += weights[first + token * frames + frame] ?? 0
      const mean = sum / tokens
      let squares = 0
      for (let token = 0; token < tokens; token++)
        squares += ((weights[first + token * frames + frame] ?? 0) - mean) ** 2
      const deviation = Math.sqrt(squares / tokens)
      for (let token = 0; token < tokens; token++) {
        const at = first + token * frames + frame
        // A frame that no token looks at says nothing about any of them.
        weights[at] = deviation === 0 ? 0 : ((weights[at] ?? 0) - mean) / deviation
      }
    }
  }
}

/** A median over `width` frames, mirrored at both ends. */
function smooth({ heads, tokens, frames, weights }: AttentionRows, width: number): void {
  const half = width >> 1
  if (frames <= half) return
  const window = new Float32Array(width)
  const row = new Float32Array(frames)
  for (let at = 0; at < heads * tokens * frames; at += frames) {
    row.set(weights.subarray(at, at + frames))
    for (let frame = 0; frame < frames; frame++) {
      for (let offset = -half; offset <= half; offset++) {
        let index = Math.abs(frame + offset)
        if (index >= frames) index = 2 * (frames - 1) - index
        insert(window, offset + half, row[index] ?? 0)
      }
      weights[at + frame] = window[half] ?? 0
    }
  }
}

/** Into the first `count` values, which are sorted. */
function insert(sorted: Float32Array, count: number, value: number): void {
  let at = count
  while (at > 0 && (sorted[at - 1] ?? 0) > value) {
    sorted[at] = sorted[at - 1] ?? 0
    at -= 1
  }
  sorted[at] = value
}

/** [token][frame]: less where a token's attention is on the frame. */
function costs({ heads, tokens, frames, weights }: AttentionRows, firstRow: number): Float32Array {
  const rows = tokens - firstRow
  const mean = new Float32Array(rows * frames)
  for (let head = 0; head < heads; head++) {
    const first = (head * tokens + firstRow) * frames
    for (let index = 0; index < mean.length; index++)
      mean[index] = (mean[index] ?? 0) + (weights[first + index] ?? 0)
  }
  for (let index = 0; index < mean.length; index++) mean[index] = -(mean[index] ?? 0) / heads
  return mean
}

/** How the best path came into a cell: with the token before and the frame before, with one of them only. */
const BOTH = 0
const NEXT_TOKEN = 1
const NEXT_FRAME = 2

/** The first frame of each token on the path of least cost that takes tokens and frames in order. */
function beginnings(matrix: Float32Array, tokens: number, frames: number): Int32Array {
  const trace = new Uint8Array(tokens * frames)
  let above = new Float64Array(frames + 1).fill(Number.POSITIVE_INFINITY)
  let row = new Float64Array(frames + 1)
  above[0] = 0
  for (let token = 0; token < tokens; token++) {
    row[0] = Number.POSITIVE_INFINITY
    for (let frame = 0; frame < frames; frame++) {
      const both = above[frame] ?? 0
      const nextToken = above[frame + 1] ?? 0
      const nextFrame = row[frame] ?? 0
      let move = NEXT_FRAME
      let cost = nextFrame
      if (both < nextToken && both < nextFrame) {
        move = BOTH
        cost = both
      } else if (nextToken < both && nextToken < nextFrame) {
        move = NEXT_TOKEN
        cost = nextToken
      }
      row[frame + 1] = (matrix[token * frames + frame] ?? 0) + cost
      trace[token * frames + frame] = move
    }
    ;[above, row] = [row, above]
    above[0] = Number.POSITIVE_INFINITY
  }
  return traced(trace, tokens, frames)
}

function traced(trace: Uint8Array, tokens: number, frames: number): Int32Array {
  const first = new Int32Array(tokens)
  let token = tokens - 1
  let frame = frames - 1
  while (token >= 0) {
    first[token] = Math.max(0, frame)
    // Outside the matrix there is only one way on, as in the reference's trace.
    const move = frame < 0 ? NEXT_TOKEN : (trace[token * frames + frame] ?? NEXT_FRAME)
    if (move !== NEXT_FRAME) token -= 1
    if (move !== NEXT_TOKEN) frame -= 1
    if (token < 0) break
  }
  return first
}
