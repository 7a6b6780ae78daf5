import type { GraphBuilder, Value } from '#engines/onnx/graph-builder.ts'
import { float32, int8, uint8 } from '#engines/onnx/tensors.ts'

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
  project(builder: GraphBuilder, value: Value, name: string, from: number, to: number): Value
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
  readonly #isTied: boolean

  /** `isTied`: as of `FloatWeights`. */
  constructor(seed: number, isTied = true) {
    this.#random = new Random(seed)
    this.#isTied = isTied
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
    const spread = LOGIT_SPREAD / Math.sqrt(from / 3)
    this.#matrix(builder, name, from, to, spread)
    if (!this.#isTied) this.#matrix(builder, `${name}.out`, from, to, spread)
  }

  project(builder: GraphBuilder, value: Value, name: string): Value {
    return this.#product(builder, value, this.#isTied ? name : `${name}.out`)
  }

  embed(builder: GraphBuilder, ids: Value, name: string): Value {
    const bytes = builder.node('Gather', [name, ids], { attributes: { axis: 1 } })
    return builder.node('DequantizeLinear', [bytes, `${name}_scale`, `${name}_zero_point`])
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

/** How the published 4-bit files divide a column, and two numbers' place in a byte. */
const BLOCK = 32
const BLOCK_BYTES = BLOCK / 2

/**
 * As the published `q4` files: products are MatMulNBits, whose weights are 4 bits around 8, with a scale for each 32 of a
 * column. The table of tokens is read in floats; that which logits are made with is another matrix, in 4 bits.
 */
export class NibbleWeights implements Weights {
  readonly #random: Random
  readonly #accuracyLevel: number | null

  /** `accuracyLevel`: 4 multiplies in 8 bits; null as the published files, which leave it to the runtime. */
  constructor(seed: number, accuracyLevel: number | null = null) {
    this.#random = new Random(seed)
    this.#accuracyLevel = accuracyLevel
  }

  numbers(count: number, spread: number): Float32Array {
    return this.#random.numbers(count, spread)
  }

  multiply(builder: GraphBuilder, value: Value, name: string, from: number, to: number, made: Set<string>) {
    if (!made.has(name)) {
      made.add(name)
      this.#matrix(builder, name, from, to, Math.sqrt(3 / from))
    }
    return this.#product(builder, value, name, from, to)
  }

  projection(builder: GraphBuilder, name: string, from: number, to: number): void {
    const spread = LOGIT_SPREAD / Math.sqrt(from / 3)
    builder.weight(float32(name, [from, to], this.numbers(from * to, spread)))
    this.#matrix(builder, `${name}.out`, from, to, spread)
  }

  project(builder: GraphBuilder, value: Value, name: string, from: number, to: number): Value {
    return this.#product(builder, value, `${name}.out`, from, to)
  }

  embed(builder: GraphBuilder, ids: Value, name: string): Value {
    return builder.node('Gather', [name, ids], { attributes: { axis: 1 } })
  }

  /** [to, blocks of a column, bytes of a block]: the first of two numbers in the low half of a byte. */
  #matrix(builder: GraphBuilder, name: string, from: number, to: number, spread: number): void {
    const numbers = this.numbers(from * to, spread)
    const blocks = Math.ceil(from / BLOCK)
    const bytes = new Uint8Array(to * blocks * BLOCK_BYTES)
    const scales = new Float32Array(to * blocks)
    for (let block = 0; block < to * blocks; block++) {
      const [column, first] = [Math.floor(block / blocks), (block % blocks) * BLOCK]
      const at = (row: number) => (row < from ? (numbers[row * to + column] ?? 0) : 0)
      const values = Array.from({ length: BLOCK }, (_, index) => at(first + index))
      // What is farthest from zero becomes 0, which is −8.
      const farthest = values.reduce((most, one) => (Math.abs(one) > Math.abs(most) ? one : most))
      const scale = farthest / -8
      scales[block] = scale
      for (const [index, one] of values.entries()) {
        const nibble = scale === 0 ? 8 : Math.max(0, Math.min(15, Math.round(one / scale) + 8))
        const place = block * BLOCK_BYTES + (index >> 1)
        bytes[place] = (bytes[place] ?? 0) | (nibble << (4 * (index & 1)))
      }
    }
    builder.weight(uint8(`${name}_Q4`, [to, blocks, BLOCK_BYTES], bytes))
    builder.weight(float32(`${name}_scales`, [to * blocks], scales))
  }

  #product(builder: GraphBuilder, value: Value, name: string, from: number, to: number): Value {
    const accuracy = this.#accuracyLevel === null ? {} : { accuracy_level: this.#accuracyLevel }
    return builder.node('MatMulNBits', [value, `${name}_Q4`, `${name}_scales`], {
      domain: 'com.microsoft',
      attributes: { K: from, N: to, bits: 4, block_size: BLOCK, ...accuracy },
    })
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
