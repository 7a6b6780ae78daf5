/**
 * An ONNX model as data: what is written, read, joined and built here. Field by field it is onnx.proto; what this file does
 * not name is carried as it was read (`unknown`), so a model that is read and written again loses nothing.
 */
export interface OnnxModel {
  readonly graph: OnnxGraph
  /** By domain; '' is ONNX's own. */
  readonly opsets: Readonly<Record<string, number>>
  /** Left out: the oldest IR version that knows the opset. */
  readonly irVersion?: number
  readonly producer?: { readonly name: string; readonly version: string }
  readonly metadata?: Readonly<Record<string, string>>
  readonly unknown?: readonly UnknownField[]
}

export interface OnnxGraph {
  readonly name: string
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly initializers: readonly OnnxTensor[]
  /** In the order in which they can run. */
  readonly nodes: readonly OnnxNode[]
  /** Types and shapes of values inside, for those who show or plan. */
  readonly values?: readonly OnnxValue[]
  readonly unknown?: readonly UnknownField[]
}

/** An input or output. Inside a subgraph type and shape may be left out: they come from the node around it. */
export interface OnnxValue {
  readonly name: string
  readonly type?: ElementType
  /** A string is a size that varies, '' one without a name. No shape at all: any number of dimensions. */
  readonly shape?: readonly (number | string)[]
  readonly unknown?: readonly UnknownField[]
}

export interface OnnxNode {
  readonly operator: string
  /** '' is an optional one left out. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly name?: string
  readonly domain?: string
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>
  readonly unknown?: readonly UnknownField[]
}

/** Whole numbers beyond 2^53 are bigints; a string that is no UTF-8 is bytes. */
export type OnnxAttribute = { readonly unknown?: readonly UnknownField[] } & (
  | { readonly kind: 'int'; readonly value: number | bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string | Uint8Array }
  | { readonly kind: 'tensor'; readonly value: OnnxTensor }
  | { readonly kind: 'graph'; readonly value: OnnxGraph }
  | { readonly kind: 'ints'; readonly value: readonly (number | bigint)[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly (string | Uint8Array)[] }
  | { readonly kind: 'tensors'; readonly value: readonly OnnxTensor[] }
  | { readonly kind: 'graphs'; readonly value: readonly OnnxGraph[] }
  /** Sparse tensors, types, and references to a function's attribute: in `unknown`. */
  | { readonly kind: 'other'; readonly type: number }
)

export interface OnnxTensor {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly number[]
  readonly data: TensorBytes | ExternalData | StringData
  readonly unknown?: readonly UnknownField[]
}

/** The elements in order, little-endian; of 4-bit types two in a byte, the first in the low half. */
export type TensorBytes = Uint8Array

/** The elements lie in a file beside the model. */
export interface ExternalData {
  readonly location: string
  readonly offset: number
  /** null: to the end of the file. */
  readonly length: number | null
  /** Keys that are not named here. */
  readonly more?: Readonly<Record<string, string>>
}

export interface StringData {
  readonly strings: readonly Uint8Array[]
}

/** A protobuf field with its tag, as it was read. */
export type UnknownField = Uint8Array

/** The number is that of TensorProto.DataType. */
export const ELEMENT_TYPES = {
  float32: { code: 1, bits: 32 },
  uint8: { code: 2, bits: 8 },
  int8: { code: 3, bits: 8 },
  uint16: { code: 4, bits: 16 },
  int16: { code: 5, bits: 16 },
  int32: { code: 6, bits: 32 },
  int64: { code: 7, bits: 64 },
  string: { code: 8, bits: 0 },
  bool: { code: 9, bits: 8 },
  float16: { code: 10, bits: 16 },
  float64: { code: 11, bits: 64 },
  uint32: { code: 12, bits: 32 },
  uint64: { code: 13, bits: 64 },
  complex64: { code: 14, bits: 64 },
  complex128: { code: 15, bits: 128 },
  bfloat16: { code: 16, bits: 16 },
  float8e4m3fn: { code: 17, bits: 8 },
  float8e4m3fnuz: { code: 18, bits: 8 },
  float8e5m2: { code: 19, bits: 8 },
  float8e5m2fnuz: { code: 20, bits: 8 },
  uint4: { code: 21, bits: 4 },
  int4: { code: 22, bits: 4 },
  float4e2m1: { code: 23, bits: 4 },
} as const

export type ElementType = keyof typeof ELEMENT_TYPES

/** How many bytes a tensor's elements take. */
export function byteLength(type: ElementType, shape: readonly number[]): number {
  return Math.ceil((elementCount(shape) * ELEMENT_TYPES[type].bits) / 8)
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}
