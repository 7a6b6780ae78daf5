import type { GraphBuilder, Value } from '#engines/onnx/graph-builder.ts'
import { float32, int8 } from '#engines/onnx/tensors.ts'

/** Where a random network's numbers come from, and how it multiplies by them. */
export interface Weights {
  /** Even between −spread and spread. */
  numbers(count: number, spread: number): Float32Array
  multiply(
    builder: GraphBuilder,
    value: Value,
    name: string,
    from: number,
    to: number,
    made: Set<string>,
  ): Value
  /** Makes the table of tokens, [from, to], that is read as embeddings and multiplied by as projection. */
  projection(builder: GraphBuilder, name: string, from: number, to: number): void
  project(builder: GraphBuilder, value: Value, name: string): Value
  /** [batch, length] of ids → [from, batch, length]. */
  embed(builder: GraphBuilder, ids: Value, name: string): Value
}

/** How far logits spread: so that the best two are rarely within the rounding of a float. */
const LOGIT_SPREAD = 6

export class FloatWeights implements Weights {
  readonly #random: Random
  readonly #isTied: boolean

  /** `isTied`: one table is read and written with, as in the published models; a random one then repeats its last token. */
  constructor(seed: number, isTied = true) {
    this.#random = new Random(seed)
    this.#isTied = isTied
  }

  numbers(count: number, spread: number): Float32Array {
    return this.#random.numbers(count, spread)
  }

  multiply(builder: GraphBuilder, value: Value, name: string, from: number, to: number, made: Set<string>) {
    const weight = `${name}.weight`
    if (!made.has(weight)) {
      made.add(weight)
      builder.weight(float32(weight, [from, to], this.numbers(from * to, Math.sqrt(3 / from))))
    }
    return builder.node('MatMul', [value, weight])
  }

  projection(builder: GraphBuilder, name: string, from: number, to: number): void {
    const spread = LOGIT_SPREAD / Math.sqrt(from / 3)
    builder.weight(float32(name, [from, to], this.numbers(from * to, spread)))
    if (!this.#isTied) builder.weight(float32(`${name}.out`, [from, to], this.numbers(from * to, spread)))
  }

  project(builder: GraphBuilder, value: Value, name: string): Value {
    return builder.node('MatMul', [value, this.#isTied ? name : `${name}.out`])
  }

  embed(builder: GraphBuilder, ids: Value, name: string): Value {
    return builder.node('Gather', [name, ids], { attributes: { axis: 1 } })
  }
}

/** As the published `quantized` files: activations quantized as they come, weights in 8 bits, one scale a matrix. */
export class ByteWeights implements Weights {
  readonly #random: Random

  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  numbers(count: number, spread: number): Float32Array {
    return this.#random.numbers(count, spread)
  }

  multiply(builder: GraphBuilder, value: Value, name: string, from: number, to: number, made: Set<string>) {
    const weight = `${name}.weight_quantized`
    if (!made.has(weight)) {
      made.add(weight)
      this.#matrix(builder, weight, from, to, Math.sqrt(3 / from))
    }
    return this.#product(builder, value, weight)
  }

  projection(builder: GraphBuilder, name: string, from: number, to: number): void {
    this.#matrix(builder, name, from, to, LOGIT_SPREAD / Math.sqrt(from / 3))
  }

  project(builder: GraphBuilder, value: Value, name: string): Value {
    return this.#product(builder, value, name)
  }

  embed(builder: GraphBuilder, ids: Value, name: string): Value {
    const bytes = builder.node('Gather', [name, ids], { attributes: { axis: 1 } })
    return builder.node('Mul', [builder.node('Cast', [bytes], { attributes: { to: 1 } }), `${name}_scale`])
  }

  #matrix(builder: GraphBuilder, name: string, from: number, to: number, spread: number): void {
    builder.weight(int8(name, [from, to], this.#random.bytes(from * to)))
    builder.weight(float32(`${name}_scale`, [], [spread / 127]))
    builder.weight(int8(`${name}_zero_point`, [], [0]))
  }

  #product(builder: GraphBuilder, value: Value, weight: string): Value {
    const [bytes, scale, zero] = builder.nodes('DynamicQuantizeLinear', [value], ['bytes', 'scale', 'zero'])
    const whole = builder.node('MatMulInteger', [bytes, weight, zero, `${weight}_zero_point`])
    const number = builder.node('Cast', [whole], { attributes: { to: 1 } })
    return builder.node('Mul', [number, builder.node('Mul', [scale, `${weight}_scale`])])
  }
}

/** xorshift32 in a typed array: 74 million numbers in a second. */
class Random {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1
  }

  numbers(count: number, spread: number): Float32Array {
    const numbers = new Float32Array(count)
    const scale = spread / 2_147_483_648
    let state = this.#state
    for (let index = 0; index < count; index++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      numbers[index] = state * scale
    }
    this.#state = state
    return numbers
  }

  bytes(count: number): Int8Array {
    const bytes = new Int8Array(count)
    let state = this.#state
    for (let index = 0; index < count; index++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      bytes[index] = state >> 24
    }
    this.#state = state
    return bytes
  }
}
