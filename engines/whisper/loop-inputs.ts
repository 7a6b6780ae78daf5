import type { Tensor } from 'onnxruntime-node'
import type { onnxRuntime } from '../onnx/runtime.ts'
import type { LogitRules } from './logit-rules.ts'
import { NEVER } from './loop-choice.ts'
import { LOOP_INPUTS } from './loop-graph.ts'
import { askedHeads, type Head } from './step-attention.ts'

/** What a decoder is to write by itself. */
export interface Wish {
  readonly steps: number
  readonly rules: LoopRules
  readonly rows: readonly RowState[]
}

/** Rules that hold for all rows, as the graph wants them. */
export interface LoopRules {
  /** [token]: 0, or `NEVER` for what may not come. */
  readonly suppressed: Float32Array
  readonly isMonotonic: boolean
}

/** Where a row stands: what `applyRules` finds in its tokens. */
export interface RowState {
  readonly last: number
  /** Whether the token before the last was a timestamp, or there was none. */
  readonly isBehindTimestamp: boolean
  /** The latest timestamp; null where none was written. */
  readonly latestTimestamp: number | null
  /** The last timestamp that may come. */
  readonly timestampLimit: number
}

/** Rules that forbid nothing, for a decoder that is asked for single steps. */
export function noRules(vocabularySize: number): LoopRules {
  return { suppressed: new Float32Array(vocabularySize), isMonotonic: false }
}

export function loopRules({ tokens, suppressed, isMonotonic }: LogitRules): LoopRules {
  const all = new Float32Array(tokens.vocabularySize)
  for (const token of suppressed) all[token] = NEVER
  all[tokens.noTimestamps] = NEVER
  return { suppressed: all, isMonotonic }
}

export function rowState(
  written: readonly number[],
  firstTimestamp: number,
  lastTimestamp: number,
): RowState {
  const isTimestamp = (token: number) => token >= firstTimestamp
  const before = written[written.length - 2]
  return {
    last: written[written.length - 1] ?? 0,
    isBehindTimestamp: before === undefined || isTimestamp(before),
    latestTimestamp: written.findLast(isTimestamp) ?? null,
    timestampLimit: firstTimestamp + lastTimestamp,
  }
}

export interface LoopPorts {
  readonly vocabularySize: number
  readonly firstTimestamp: number
  /** Layers that give their cross-attention. */
  readonly attentionLayers: readonly number[]
  /** `noRules`: a step's inputs are fed for each token, and these have the size of a vocabulary. */
  readonly noRules: LoopRules
}

/** The inputs beside the decoder's own. Without a wish: one step by which nothing is chosen. */
export function loopInputs(
  { Tensor }: Awaited<ReturnType<typeof onnxRuntime>>,
  { vocabularySize, firstTimestamp, attentionLayers, noRules }: LoopPorts,
  heads: readonly Head[],
  rows: number,
  wish: Wish | null,
): Record<string, Tensor> {
  const states = wish?.rows ?? Array.from({ length: rows }, () => null)
  const { suppressed, isMonotonic } = wish?.rules ?? noRules
  const integers = (of: (state: RowState | null) => number) =>
    new Tensor(
      'int64',
      BigInt64Array.from(states, (state) => BigInt(of(state))),
      [rows, 1],
    )
  const inputs: Record<string, Tensor> = {
    [LOOP_INPUTS.steps]: new Tensor('int64', BigInt64Array.of(BigInt(wish?.steps ?? 1)), []),
    [LOOP_INPUTS.suppressed]: new Tensor('float32', suppressed, [vocabularySize]),
    [LOOP_INPUTS.isMonotonic]: new Tensor('bool', [isMonotonic], []),
    [LOOP_INPUTS.before]: new Tensor(
      'bool',
      states.map((state) => state?.isBehindTimestamp ?? true),
      [rows, 1],
    ),
    [LOOP_INPUTS.latest]: integers((state) => state?.latestTimestamp ?? firstTimestamp - 1),
    [LOOP_INPUTS.limit]: integers((state) => state?.timestampLimit ?? vocabularySize),
  }
  for (const [name, places] of askedHeads(attentionLayers, heads))
    inputs[name] = new Tensor('int64', BigInt64Array.from(places, BigInt), [places.length])
  return inputs
}
