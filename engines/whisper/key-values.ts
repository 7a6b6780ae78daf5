import type { Tensor } from 'onnxruntime-node'
import type { onnxRuntime } from '../onnx/runtime.ts'
import { roomFor } from './network-errors.ts'
import { type Numbers, type NumberType, numberTensor } from './values.ts'

export interface KeyValueSizes {
  readonly type: NumberType
  readonly rows: number
  readonly heads: number
  readonly headSize: number
  /** Positions that there is room for. */
  readonly room: number
}

/**
 * Keys and values of all layers, each [row][head][position][size], where a network writes them and reads them again. One
 * block: a step reads all of it, and a processor reads one block faster than many, since the system gives it large pages.
 */
export class KeyValues {
  readonly room: number
  /** `0.decoder.key` and so on: what stands behind `present.` and `past_key_values.`. */
  readonly #names: readonly string[]
  readonly #sizes: KeyValueSizes
  readonly #data: Numbers

  constructor(names: readonly string[], sizes: KeyValueSizes, spare = new SpareBlock()) {
    this.room = sizes.room
    this.#names = names
    this.#sizes = sizes
    this.#data = spare.take(sizes.type, names.length * this.#regionSize())
  }

  /** For others to use; these are not used any more. */
  giveTo(spare: SpareBlock): void {
    spare.give(this.#data)
  }

  /** Some rows as a network's inputs or outputs, which hold so many positions. */
  tensors(
    onnx: Awaited<ReturnType<typeof onnxRuntime>>,
    stem: 'past_key_values' | 'present',
    [fromRow, toRow]: readonly [number, number],
    length: number,
  ): Record<string, Tensor> {
    const { heads, headSize } = this.#sizes
    const dims = [toRow - fromRow, heads, length, headSize]
    const rowSize = heads * length * headSize
    return Object.fromEntries(
      this.#names.map((name, index) => {
        const start = index * this.#regionSize()
        const data = this.#data.subarray(start + fromRow * rowSize, start + toRow * rowSize)
        return [`${stem}.${name}`, numberTensor(onnx, data, dims)]
      }),
    )
  }

  /** Writes a row over another. */
  moveRow(from: number, to: number, length: number): void {
    const { heads, headSize } = this.#sizes
    const rowSize = heads * length * headSize
    for (let index = 0; index < this.#names.length; index++) {
      const start = index * this.#regionSize()
      this.#data.copyWithin(start + to * rowSize, start + from * rowSize, start + (from + 1) * rowSize)
    }
  }

  #regionSize(): number {
    const { rows, heads, headSize, room } = this.#sizes
    return rows * heads * headSize * room
  }
}

/** 512 MB of floats: what is beyond goes back to the system. */
const MOST_KEPT = 2 ** 27

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
