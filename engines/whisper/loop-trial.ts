import type { Decoder } from './decoder.ts'
import { type Hidden, rowsOf } from './encoder.ts'
import { type GenerateRequest, generate } from './generate.ts'
import type { LogitRules } from './logit-rules.ts'

const ROWS = 2
const TOKENS = 6
/** A network that measures its input as a whole (8 bits) gives a little else for a prefix than for its tokens one by one. */
const LEAST_LIKENESS = 0.98

/**
 * Whether a decoder that writes by itself does as it would do step by step: the same tokens, by logits like those of a prefix
 * that is read at once.
 */
export async function isTrustworthy(decoder: Decoder, rules: LogitRules): Promise<boolean> {
  try {
    const hidden = noise(decoder)
    const start = rules.tokens.endOfText + 1
    const request = requestFor(hidden, start, rules)
    const alone = await generate(decoder, request)
    const steps = await generate(decoder, request, 'step by step')
    const isSame = alone.every((one, row) => one.tokens.join() === steps[row]?.tokens.join())
    return isSame && (await isLike(decoder, rowsOf(hidden, [0]), [start, ...(steps[0]?.tokens ?? [])]))
  } catch {
    // A graph that does not run.
    return false
  }
}

async function isLike(decoder: Decoder, hidden: Hidden, tokens: readonly number[]): Promise<boolean> {
  using whole = await decoder.begin(hidden, [])
  const read = await whole.first(tokens)
  using stepped = await decoder.begin(hidden, [])
  let step = await stepped.first(tokens.slice(0, 1))
  for (const token of tokens.slice(1)) step = await stepped.next([token])
  return likeness(read.logits(0, tokens.length - 1), step.logits(0, 0)) > LEAST_LIKENESS
}

/** The cosine of the angle between both. */
function likeness(left: Float32Array, right: Float32Array): number {
  let [product, lefts, rights] = [0, 0, 0]
  for (const [index, value] of left.entries()) {
    const other = right[index] ?? 0
    product += value * other
    lefts += value ** 2
    rights += other ** 2
  }
  return product / Math.sqrt(lefts * rights)
}

function noise({ shape }: Decoder): Hidden {
  const positions = shape.encoderPositions
  const width = shape.heads * shape.headSize
  const data = Float32Array.from({ length: ROWS * positions * width }, (_, at) => Math.sin(at * at))
  return { data, type: 'float32', rows: ROWS, positions, width }
}

function requestFor(hidden: Hidden, start: number, rules: LogitRules): GenerateRequest {
  const row = { lastTimestamp: 1500, frames: 1, random: () => 0 }
  return {
    hidden,
    rows: Array.from({ length: ROWS }, () => row),
    prefix: { tokens: [start], startIndex: 0 },
    rules,
    temperature: 0,
    tokenLimit: TOKENS,
    noSpeech: null,
    heads: [],
    signal: new AbortController().signal,
  }
}
