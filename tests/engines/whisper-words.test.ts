import { describe, expect, it } from 'vitest'
import { tokenFrames } from '#engines/whisper/time-warping.ts'
import { splitWords } from '#engines/whisper/word-split.ts'
import { timedWords } from '#engines/whisper/word-times.ts'
import { seeded } from '#tests/kit/seeded.ts'

/** Each token is a text of its own; a number is a byte of a character of several. */
function decoder(tokens: readonly (string | number)[]) {
  const bytes = tokens.map((token) => (typeof token === 'number' ? Buffer.of(token) : Buffer.from(token)))
  return (ids: readonly number[]) => Buffer.concat(ids.map((id) => bytes[id] ?? Buffer.of())).toString('utf8')
}

function words(tokens: readonly (string | number)[], language = 'en'): string[] {
  const ids = tokens.map((_, index) => index)
  return splitWords(ids, decoder(tokens), language).map((word) => word.text)
}

describe('words of tokens', () => {
  it('[WH10] a space begins a word', () => {
    expect(words([' the', ' c', 'at', ' sat'])).toEqual([' the', ' cat', ' sat'])
  })

  it('[WH10] characters of several tokens stay whole', () => {
    expect(words([' caf', 0xc3, 0xa9, ' ', 0xe2, 0x82, 0xac])).toEqual([' café', ' €'])
  })

  it('[WH10] marks belong to their word: closing ones to the one before, opening ones to the one behind', () => {
    expect(words([' the', ' "', 'cat', ',"', ' (', 'so', ')', ' it', '.'])).toEqual([' the', ' "cat,"', ' (so)', ' it.'])
  })

  it('[WH10] languages without spaces have a word a character', () => {
    expect(words(['你', '好', '。'], 'zh')).toEqual(['你', '好。'])
    expect(words(['你', '好'], 'en')).toEqual(['你好'])
  })

  it('[WH10] a word lasts to the token behind it, a mark takes no time, a segment’s end holds it', () => {
    const tokens = [' the', ' cat', '.', ' sat']
    const timed = timedWords(
      {
        tokens: [0, 1, 2, 3],
        logProbs: [Math.log(0.5), Math.log(0.9), Math.log(0.7), 0],
        frames: [0, 10, 30, 80, 120],
        endSeconds: 2,
      },
      decoder(tokens),
      'en',
    )
    expect(timed.map(({ text, start, end }) => [text, start, end])).toEqual([
      [' the', 0, 0.2],
      [' cat.', 0.2, 0.62],
      [' sat', 1.6, 2],
    ])
    expect(timed[1]?.probability).toBeCloseTo(0.8, 6)
  })
})

describe('time warping', () => {
  it('[WH11] attention that goes through the sound in steps gives the steps', () => {
    const [tokens, frames, heads] = [5, 100, 2]
    const weights = new Float32Array(heads * tokens * frames)
    for (let head = 0; head < heads; head++)
      for (let token = 0; token < tokens; token++)
        for (let frame = 0; frame < frames; frame++)
          weights[(head * tokens + token) * frames + frame] = Math.exp(-Math.abs(frame - (token * 20 + 10)) / 8)
    const found = tokenFrames({ heads, tokens, frames, weights }, 0, 7)
    for (const [token, frame] of found.entries()) expect(Math.abs(frame - token * 20)).toBeLessThanOrEqual(4)
  })

  it('[WH11] the path is that of brute force over all paths', () => {
    const random = seeded(5)
    for (let round = 0; round < 40; round++) {
      const [tokens, frames] = [2 + (round % 3), 4 + (round % 4)]
      const weights = Float32Array.from({ length: tokens * frames }, random)
      const normalized = normalizedOf(weights, tokens, frames)
      const found = tokenFrames({ heads: 1, tokens, frames, weights: weights.slice() }, 0, 1)
      expect(costOf(normalized, found, tokens, frames)).toBeCloseTo(bruteForce(normalized, tokens, frames), 4)
    }
  })

  it('[WH11] frames that no token looks at are no obstacle', () => {
    const weights = new Float32Array(2 * 20)
    weights[3] = 1
    weights[20 + 9] = 1
    const found = tokenFrames({ heads: 1, tokens: 2, frames: 20, weights }, 0, 1)
    expect(Array.from(found).every(Number.isFinite)).toBe(true)
    expect(found[1]).toBe(9)
  })
})

function normalizedOf(weights: Float32Array, tokens: number, frames: number): number[] {
  return Array.from(weights, (weight, index) => {
    const column = Array.from({ length: tokens }, (_, token) => weights[token * frames + (index % frames)] ?? 0)
    const mean = column.reduce((sum, value) => sum + value, 0) / tokens
    const deviation = Math.sqrt(column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / tokens)
    return -(weight - mean) / deviation
  })
}

/** The least cost of a path that begins tokens at these frames. */
function costOf(costs: readonly number[], starts: Int32Array, tokens: number, frames: number): number {
  let cost = 0
  for (let token = 0; token < tokens; token++) {
    const from = starts[token] ?? 0
    const next = starts[token + 1] ?? frames
    // Two tokens may share a frame: the path goes straight down.
    const to = Math.max(from, next - 1)
    let least = Number.POSITIVE_INFINITY
    let sum = 0
    for (let frame = from; frame <= Math.min(to + 1, frames - 1); frame++) {
      sum += costs[token * frames + frame] ?? 0
      if (frame >= to && (token < tokens - 1 || frame === frames - 1)) least = Math.min(least, sum)
    }
    cost += token === tokens - 1 ? sum : least
  }
  return cost
}

function bruteForce(costs: readonly number[], tokens: number, frames: number): number {
  const from = (token: number, frame: number): number => {
    const here = costs[token * frames + frame] ?? 0
    if (token === tokens - 1 && frame === frames - 1) return here
    let least = Number.POSITIVE_INFINITY
    for (const [down, right] of [
      [1, 1],
      [1, 0],
      [0, 1],
    ] as const)
      if (token + down < tokens && frame + right < frames) least = Math.min(least, from(token + down, frame + right))
    return here + least
  }
  return from(0, 0)
}
