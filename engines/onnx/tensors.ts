import { endianness } from 'node:os'
import { byteLength, type ElementType, elementCount, type OnnxAttribute, type OnnxTensor } from './graph.ts'

/**
 * Tensors and attributes from plain numbers. Arrays of the right type are not copied: the tensor is a view of them.
 */
export function float32(name: string, shape: readonly number[], data: ArrayLike<number>): OnnxTensor {
  return tensor(name, 'float32', shape, data instanceof Float32Array ? data : Float32Array.from(data))
}

export function int64(
  name: string,
  shape: readonly number[],
  data: BigInt64Array | readonly (number | bigint)[],
): OnnxTensor {
  const values = data instanceof BigInt64Array ? data : BigInt64Array.from(data, (value) => BigInt(value))
  return tensor(name, 'int64', shape, values)
}

export function int32(name: string, shape: readonly number[], data: ArrayLike<number>): OnnxTensor {
  return tensor(name, 'int32', shape, data instanceof Int32Array ? data : Int32Array.from(data))
}

export function int8(name: string, shape: readonly number[], data: ArrayLike<number>): OnnxTensor {
  return tensor(name, 'int8', shape, data instanceof Int8Array ? data : Int8Array.from(data))
}

export function uint8(name: string, shape: readonly number[], data: ArrayLike<number>): OnnxTensor {
  return tensor(name, 'uint8', shape, data instanceof Uint8Array ? data : Uint8Array.from(data))
}

export function bool(name: string, shape: readonly number[], data: readonly boolean[]): OnnxTensor {
  return tensor(name, 'bool', shape, Uint8Array.from(data, Number))
}

/** From its bit patterns, or rounded from numbers. */
export function float16(
  name: string,
  shape: readonly number[],
  data: Uint16Array | Float32Array | readonly number[],
): OnnxTensor {
  const bits = data instanceof Uint16Array ? data : Uint16Array.from(data, halfBits)
  return tensor(name, 'float16', shape, bits)
}

/** A tensor of any type over the bytes of `data`, which stay where they are. Throws where the shape asks for other bytes. */
export function tensor(
  name: string,
  type: ElementType,
  shape: readonly number[],
  data: ArrayBufferView,
): OnnxTensor {
  const expected = byteLength(type, shape)
  if (data.byteLength !== expected)
    throw new RangeError(
      `The tensor ${name} is ${type} [${shape.join(', ')}]: expected ${expected} bytes (${elementCount(shape)} elements), got ${data.byteLength}`,
    )
  if (endianness() !== 'LE') throw new Error('Weights are written on little-endian machines only')
  return { name, type, shape, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }
}

export const int = (value: number | bigint): OnnxAttribute => ({ kind: 'int', value })
export const float = (value: number): OnnxAttribute => ({ kind: 'float', value })
export const ints = (...value: (number | bigint)[]): OnnxAttribute => ({ kind: 'ints', value })
export const floats = (...value: number[]): OnnxAttribute => ({ kind: 'floats', value })
export const text = (value: string): OnnxAttribute => ({ kind: 'string', value })

const single = new Float32Array(1)
const singleBits = new Uint32Array(single.buffer)

/** Round to nearest, ties to even, as IEEE 754 has it. */
function halfBits(value: number): number {
  single[0] = value
  const bits = singleBits[0] ?? 0
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fff_ffff
  if (magnitude > 0x7f80_0000) return sign | 0x7e00
  // Half way between the greatest half and the next power of two: infinity.
  if (magnitude >= 0x477f_f000) return sign | 0x7c00
  // Below the smallest normal half the float adder rounds: 0.5's last bit is worth a subnormal half's.
  if (magnitude < 0x3880_0000) {
    single[0] = Math.abs(value) + 0.5
    return sign | ((singleBits[0] ?? 0) - 0x3f00_0000)
  }
  const odd = (magnitude >>> 13) & 1
  return sign | ((magnitude - 0x3800_0000 + 0xfff + odd) >>> 13)
}
