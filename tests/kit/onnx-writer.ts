/**
 * Writes small ONNX models by hand (opset 16): enough of the protobuf for fixtures with hand-made weights. Field numbers are
 * those of onnx.proto3.
 */
export interface OnnxGraph {
  readonly name: string
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly weights: readonly OnnxTensor[]
  readonly nodes: readonly OnnxNode[]
}

/** A float32 tensor's name and shape; a string is a dimension that varies. */
export interface OnnxValue {
  readonly name: string
  readonly shape: readonly (number | string)[]
}

export interface OnnxTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly data: Float32Array | BigInt64Array
}

export interface OnnxNode {
  readonly operator: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly integers?: Readonly<Record<string, number | readonly number[]>>
}

const FLOAT = 1
const INT64 = 7
const INT_ATTRIBUTE = 2
const INTS_ATTRIBUTE = 7

export function onnxModel(graph: OnnxGraph): Uint8Array {
  const opset = [...text(1, ''), ...integer(2, 16)]
  return Uint8Array.from([...integer(1, 8), ...bytes(7, graphOf(graph)), ...bytes(8, opset)])
}

function graphOf(graph: OnnxGraph): number[] {
  return [
    ...graph.nodes.flatMap((node) => bytes(1, nodeOf(node))),
    ...text(2, graph.name),
    ...graph.weights.flatMap((weight) => bytes(5, tensorOf(weight))),
    ...graph.inputs.flatMap((value) => bytes(11, valueInfoOf(value))),
    ...graph.outputs.flatMap((value) => bytes(12, valueInfoOf(value))),
  ]
}

function nodeOf(node: OnnxNode): number[] {
  return [
    ...node.inputs.flatMap((name) => text(1, name)),
    ...node.outputs.flatMap((name) => text(2, name)),
    ...text(4, node.operator),
    ...Object.entries(node.integers ?? {}).flatMap(([name, value]) => bytes(5, attributeOf(name, value))),
  ]
}

function attributeOf(name: string, value: number | readonly number[]): number[] {
  if (typeof value === 'number')
    return [...text(1, name), ...integer(3, value), ...integer(20, INT_ATTRIBUTE)]
  return [...text(1, name), ...value.flatMap((item) => integer(8, item)), ...integer(20, INTS_ATTRIBUTE)]
}

function tensorOf(tensor: OnnxTensor): number[] {
  const raw = new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength)
  return [
    ...tensor.shape.flatMap((size) => integer(1, size)),
    ...integer(2, tensor.data instanceof Float32Array ? FLOAT : INT64),
    ...text(8, tensor.name),
    ...bytes(9, raw),
  ]
}

function valueInfoOf(value: OnnxValue): number[] {
  const sizes = value.shape.flatMap((size) =>
    bytes(1, typeof size === 'number' ? integer(1, size) : text(2, size)),
  )
  return [...text(1, value.name), ...bytes(2, bytes(1, [...integer(1, FLOAT), ...bytes(2, sizes)]))]
}

function integer(field: number, value: number): number[] {
  return [...varint(field << 3), ...varint(value)]
}

function text(field: number, value: string): number[] {
  return bytes(field, new TextEncoder().encode(value))
}

function bytes(field: number, value: ArrayLike<number>): number[] {
  return [...varint((field << 3) | 2), ...varint(value.length)].concat(Array.from(value))
}

/** Non-negative numbers and, as ten bytes of two's complement, negative ones. */
function varint(value: number): number[] {
  const out: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest >= 128n; rest >>= 7n) out.push(Number(rest & 127n) | 128)
  return [...out, Number(rest)]
}
