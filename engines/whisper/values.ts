import type { Tensor } from 'onnxruntime-node'
import type { onnxRuntime } from '../onnx/runtime.ts'
import { float16 } from '../onnx/tensors.ts'

type Onnx = Awaited<ReturnType<typeof onnxRuntime>>

/**
 * Numbers of a tensor: float32, or float16 as bit patterns, which is how the runtime's binding takes and gives them.
 */
export type Numbers = Float32Array | Uint16Array
export type NumberType = 'float32' | 'float16'

export function emptyNumbers(type: NumberType, length: number): Numbers {
  return type === 'float16' ? new Uint16Array(length) : new Float32Array(length)
}

/** A tensor over numbers, which stay where they are. */
export function numberTensor({ Tensor }: Onnx, numbers: Numbers, dims: readonly number[]): Tensor {
  if (numbers instanceof Float32Array) return new Tensor('float32', numbers, dims)
  const tensor = new Tensor('float16', numbers, dims)
  // The library makes a Float16Array of it, which the binding does not know: it reads bit patterns alone.
  return Object.assign(tensor, { cpuData: numbers })
}

/** A tensor's numbers where they lie. */
export function numbersOf(tensor: Tensor, name: string): Numbers {
  const { data, type } = tensor
  if (data instanceof Float32Array || data instanceof Uint16Array) return data
  // A runtime with half floats of its own gives those: the same bytes.
  if (type === 'float16' && ArrayBuffer.isView(data))
    return new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
  throw new TypeError(`expected ${name} as float32 or float16, came ${type}`)
}

/** As float32; where they are that already, the same array. */
export function asFloats(numbers: Numbers): Float32Array {
  if (numbers instanceof Float32Array) return numbers
  const table = halfTable()
  return Float32Array.from(numbers, (bits) => table[bits] ?? 0)
}

/** As the type that a network wants. */
export function asType(numbers: Numbers, type: NumberType): Numbers {
  if (type === 'float32') return asFloats(numbers)
  if (numbers instanceof Uint16Array) return numbers
  const half = float16('half', [numbers.length], numbers).data
  if (!(half instanceof Uint8Array)) throw new TypeError('half floats are bytes')
  return new Uint16Array(half.buffer, half.byteOffset, numbers.length)
}

let table: Float32Array | null = null

/** Every half float: 256 KB, looked up several times faster than computed. */
function halfTable(): Float32Array {
  table ??= Float32Array.from({ length: 65_536 }, (_, bits) => {
    const exponent = (bits >> 10) & 31
    const fraction = bits & 1023
    const sign = bits & 0x8000 ? -1 : 1
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
  })
  return table
}
