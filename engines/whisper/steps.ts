import type { Tensor } from 'onnxruntime-node'
import { LOOP_OUTPUTS } from './loop-graph.ts'
import type { StepAttention } from './step-attention.ts'
import { asFloats, numbersOf } from './values.ts'

/** What one run of the decoder gave. */
export interface Step {
  readonly positions: number
  /** One a token of the vocabulary; may be written to. */
  logits(row: number, position: number): Float32Array
  readonly attention: StepAttention
}

/** What the decoder wrote by itself: to the step in which a row ended, or as many as were asked for. */
export interface Stretch {
  readonly steps: number
  token(row: number, step: number): number
  /** Natural log, among all that might have come. */
  logProb(row: number, step: number): number
  /** A step's position is that of the token it read. */
  readonly attention: StepAttention
}

type Outputs = Readonly<Record<string, Tensor>>

/** `logits` is [row][position][token]. */
export function logitsStep(outputs: Outputs, attention: StepAttention): Step {
  const output = needed(outputs, 'logits')
  const [, positions = 0, size = 0] = output.dims
  const all = asFloats(numbersOf(output, 'logits'))
  return {
    positions,
    logits(row, position) {
      const from = (row * positions + position) * size
      return all.subarray(from, from + size)
    },
    attention,
  }
}

/** Parts of a batch, each but the last with so many rows, as one. */
export function joinedSteps(parts: readonly Step[], rows: number): Step {
  const [only, ...others] = parts
  if (only !== undefined && others.length === 0) return only
  const part = (row: number): Step => {
    const found = parts[Math.floor(row / rows)]
    if (found === undefined) throw new RangeError(`no row ${row} was read`)
    return found
  }
  return {
    positions: only?.positions ?? 0,
    logits: (row, position) => part(row).logits(row % rows, position),
    attention: {
      weights: (row, head, position) => part(row).attention.weights(row % rows, head, position),
    },
  }
}

/** Tokens and their log probabilities are [step][row]. */
export function stretchOf(outputs: Outputs, rows: number, attention: StepAttention): Stretch {
  const tokens = needed(outputs, LOOP_OUTPUTS.tokens).data
  const logProbs = needed(outputs, LOOP_OUTPUTS.logProbs).data
  if (!(tokens instanceof BigInt64Array && logProbs instanceof Float32Array))
    throw new TypeError('expected int64 tokens and float32 log probabilities')
  return {
    steps: tokens.length / rows,
    token: (row, step) => Number(tokens[step * rows + row]),
    logProb: (row, step) => logProbs[step * rows + row] ?? Number.NEGATIVE_INFINITY,
    attention,
  }
}

function needed(outputs: Outputs, name: string): Tensor {
  const output = outputs[name]
  if (output === undefined) throw new TypeError(`the decoder gave no ${name}`)
  return output
}
