import type { Tensor } from 'onnxruntime-node'
import type { onnxRuntime } from '../onnx/runtime.ts'
import { roomFor } from './network-errors.ts'
import { emptyNumbers, type Numbers, type NumberType, numbersOf, numberTensor } from './values.ts'

type Onnx = Awaited<ReturnType<typeof onnxRuntime>>
type Tensors = Record<string, Tensor>
export type Rows = readonly [from: number, to: number]

export interface KeyValueSizes {
  readonly type: NumberType
  readonly layers: number
  readonly rows: number
  readonly heads: number
  readonly headSize: number
}

/**
 * The encoder's keys and values of all layers, each [row][head][position][size], where the network writes them once and reads
 * them ever after. One block: a step reads all of it, and a processor reads one block faster than many, since the system
 * gives it large pages.
 */
export class EncoderPast {
  readonly #names: readonly string[]
  readonly #sizes: KeyValueSizes
  readonly #positions: number
  readonly #data: Numbers

  constructor(sizes: KeyValueSizes, positions: number, spare: SpareBlock) {
    this.#names = namesOf('encoder', sizes)
    this.#sizes = sizes
    this.#positions = positions
    this.#data = spare.take(sizes.type, this.#names.length * sizes.rows * this.#rowSize())
  }

  /** For others to use; these are not used any more. */
  giveTo(spare: SpareBlock): void {
    spare.give(this.#data)
  }

  /** Some rows as a network's inputs or outputs. */
  tensors(onnx: Onnx, stem: 'past_key_values' | 'present', [from, to]: Rows): Tensors {
    const { rows, heads, headSize } = this.#sizes
    const dims = [to - from, heads, this.#positions, headSize]
    const size = this.#rowSize()
    return Object.fromEntries(
      this.#names.map((name, index) => {
        const start = index * rows * size
        const data = this.#data.subarray(start + from * size, start + to * size)
        return [`${stem}.${name}`, numberTensor(onnx, data, dims)]
      }),
    )
  }

  /** Writes a row over another. */
  moveRow(from: number, to: number): void {
    const size = this.#rowSize()
    for (let index = 0; index < this.#names.length; index++) {
      const start = index * this.#sizes.rows * size
      this.#data.copyWithin(start + to * size, start + from * size, start + (from + 1) * size)
    }
  }

  #rowSize(): number {
    return this.#sizes.heads * this.#sizes.headSize * this.#positions
  }
}

/** The decoder's own keys and values of all layers, each [row][head][position][size], as its last run gave them. */
export class OwnPast {
  readonly #names: readonly string[]
  readonly #sizes: KeyValueSizes
  readonly #parts = new Map<string, Numbers>()
  #positions = 0

  constructor(sizes: KeyValueSizes) {
    this.#names = namesOf('decoder', sizes)
    this.#sizes = sizes
  }

  /** What a run is asked for, so that it can be taken. */
  get outputs(): string[] {
    return this.#names.map((name) => `present.${name}`)
  }

  /** Of the first rows, as a network's inputs. */
  tensors(onnx: Onnx, rows: number): Tensors {
    const { heads, headSize } = this.#sizes
    const dims = [rows, heads, this.#positions, headSize]
    return Object.fromEntries(
      [...this.#parts].map(([name, part]) => {
        const data = part.subarray(0, rows * this.#rowSize())
        return [`past_key_values.${name}`, numberTensor(onnx, data, dims)]
      }),
    )
  }

  /** What a run gave for some of so many rows, the first ones first. Where it was all of them, it is kept as it is. */
  take(outputs: Readonly<Tensors>, positions: number, [from, to]: Rows, rows: number): void {
    this.#positions = positions
    const size = this.#rowSize()
    for (const name of this.#names) {
      const output = outputs[`present.${name}`]
      if (output === undefined) throw new TypeError(`the decoder gave no present.${name}`)
      const numbers = numbersOf(output, name)
      const isWhole = to - from === rows
      if (from === 0)
        this.#parts.set(name, isWhole ? numbers : roomFor('the decoder', this.#sizes.type, rows * size))
      if (!isWhole) this.#parts.get(name)?.set(numbers, from * size)
    }
  }

  /** Writes a row over another. */
  moveRow(from: number, to: number): void {
    const size = this.#rowSize()
    for (const part of this.#parts.values()) part.copyWithin(to * size, from * size, (from + 1) * size)
  }

  #rowSize(): number {
    return this.#sizes.heads * this.#sizes.headSize * this.#positions
  }
}

function namesOf(side: 'decoder' | 'encoder', { layers }: KeyValueSizes): string[] {
  return Array.from({ length: layers }, (_, layer) =>
    ['key', 'value'].map((part) => `${layer}.${side}.${part}`),
  ).flat()
}

/** 512 MB of floats: what is beyond goes back to the system. */
const MOST_KEPT = 2 ** 27

/** The past of a run that has none. */
export function noPast(onnx: Onnx, sizes: KeyValueSizes, rows: number): Tensors {
  const { type, heads, headSize } = sizes
  const names = [...namesOf('decoder', sizes), ...namesOf('encoder', sizes)]
  const nothing = numberTensor(onnx, emptyNumbers(type, 0), [rows, heads, 0, headSize])
  return Object.fromEntries(names.map((name) => [`past_key_values.${name}`, nothing]))
}

/** The largest block that is not in use. Fresh memory costs a batch as much as several of its steps. */
export class SpareBlock {
  #block: Numbers | null = null

  /** At least so long; what was in it is in it still. */
  take(type: NumberType, length: number): Numbers {
    const block = this.#block
    this.#block = null
    const isFit =
      block !== null && block.length >= length && block instanceof Uint16Array === (type === 'float16')
    return isFit ? block : roomFor('the decoder', type, length)
  }

  give(block: Numbers): void {
    if (block.length > MOST_KEPT) return
    if (this.#block === null || this.#block.length < block.length) this.#block = block
  }

  clear(): void {
    this.#block = null
  }
}
