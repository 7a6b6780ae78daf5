import type { OnnxModel } from '#engines/onnx/graph.ts'
import { inHalfFloats } from './half-floats.ts'
import { ByteWeights, FloatWeights, NibbleWeights, type Weights } from './whisper-weights.ts'

/** How the published files' names end. */
export const ENDINGS = {
  fp32: '',
  fp16: '_fp16',
  int8: '_quantized',
  q4: '_q4',
  q4f16: '_q4f16',
} as const
export type Precision = keyof typeof ENDINGS
export const PRECISIONS = ['fp32', 'fp16', 'int8', 'q4', 'q4f16'] as const satisfies readonly Precision[]

export interface InPrecision {
  readonly precision?: Precision
  /** Of half floats: what the files take and give. */
  readonly outside?: 'float32' | 'float16'
  /** Of 4 bits: what multiplies; null leaves it to the runtime. */
  readonly accuracyLevel?: number | null
}

export function weightsIn(
  { precision = 'fp32', accuracyLevel = null }: InPrecision,
  seed: number,
  isTied = true,
): Weights {
  if (precision === 'int8') return new ByteWeights(seed, isTied)
  if (precision === 'q4' || precision === 'q4f16') return new NibbleWeights(seed, accuracyLevel)
  return new FloatWeights(seed, isTied)
}

export function modelIn(
  { precision = 'fp32', outside = 'float32' }: InPrecision,
  model: OnnxModel,
): OnnxModel {
  return precision.endsWith('16') ? inHalfFloats(model, outside) : model
}
