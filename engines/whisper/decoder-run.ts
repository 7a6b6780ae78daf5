import type { InferenceSession, Tensor } from 'onnxruntime-node'
import type { onnxRuntime } from '../onnx/runtime.ts'
import type { DecoderShape } from './decoder.ts'
import type { Hidden } from './encoder.ts'
import { KeyValues, type SpareBlock } from './key-values.ts'
import { roomFor, runNetwork } from './network-errors.ts'
import { asFloats, asType, type Numbers, numberTensor } from './values.ts'

type Onnx = Awaited<ReturnType<typeof onnxRuntime>>
type Rows = readonly [from: number, to: number]

/** What one run of the decoder gave. Valid until the next one. */
export interface Step {
  /** [row][position][token]; may be written to. */
  readonly logits: Float32Array
  readonly positions: number
  readonly vocabularySize: number
  readonly headCount: number
  readonly encoderPositions: number
  /** By layer: [row][head][position][encoder position]. */
  readonly attention: ReadonlyMap<number, Float32Array>
}

/** Room for so many more positions is made at once. */
const MORE_POSITIONS = 64

/**
 * The state of a batch that is being decoded: each row's keys and values. The network writes them, and all else that it
 * gives, where they stay: nothing is copied, and no step leaves anything behind to be collected. Only the decoder's own keys
 * and values are asked for after the first run; the encoder's are the same ever after. A row that ended is dropped: the last
 * one takes its place. A run that is disposed of leaves its memory to the next one.
 */
export class DecoderRun implements Disposable {
  readonly #onnx: Onnx
  readonly #session: InferenceSession
  readonly #shape: DecoderShape
  readonly #hidden: Hidden
  readonly #attentionLayers: readonly number[]
  readonly #firstLogits: number
  readonly #spare: SpareBlock
  readonly #useCache: Tensor
  readonly #encoderPast: KeyValues
  #decoderPast: KeyValues
  /** The next step's past is written here while it reads the other: then they change places. */
  #decoderNext: KeyValues
  #rows: number
  #isOver = false
  /** Positions that were read. */
  #length = 0
  #given: Given | null = null
  #floats = new Float32Array(0)

  constructor(
    onnx: Onnx,
    session: InferenceSession,
    shape: DecoderShape,
    hidden: Hidden,
    attentionLayers: readonly number[],
    firstLogits: number,
    spare: SpareBlock,
  ) {
    this.#onnx = onnx
    this.#session = session
    this.#shape = shape
    this.#hidden = { ...hidden, data: asType(hidden.data, shape.hiddenType), type: shape.hiddenType }
    this.#attentionLayers = attentionLayers
    this.#firstLogits = firstLogits
    this.#spare = spare
    this.#rows = hidden.rows
    this.#useCache = new onnx.Tensor('bool', [true], [1])
    this.#encoderPast = this.#keyValues('encoder', hidden.positions, spare)
    this.#decoderPast = this.#keyValues('decoder', 0)
    this.#decoderNext = this.#decoderPast
  }

  get rows(): number {
    return this.#rows
  }

  /** Reads the same prefix in every row. */
  async first(prefix: readonly number[]): Promise<Step> {
    const most = Math.max(1, Math.floor(this.#firstLogits / (prefix.length * this.#shape.vocabularySize)))
    const given = this.#room(prefix.length)
    this.#makeRoom(prefix.length)
    for (let from = 0; from < this.#rows; from += most)
      await this.#first(prefix, [from, Math.min(this.#rows, from + most)], given)
    return this.#advance(prefix.length, given)
  }

  /** Reads one token a row. */
  async next(tokens: ArrayLike<number>): Promise<Step> {
    const { Tensor } = this.#onnx
    const ids = BigInt64Array.from({ length: this.#rows }, (_, row) => BigInt(tokens[row] ?? 0))
    if (this.#given?.positions !== 1) this.#given = this.#room(1)
    this.#makeRoom(this.#length + 1)
    const rows = [0, this.#rows] as const
    await this.#run(
      {
        input_ids: new Tensor('int64', ids, [this.#rows, 1]),
        encoder_hidden_states: this.#hiddenRows(rows),
        use_cache_branch: this.#useCache,
        ...this.#encoderPast.tensors(this.#onnx, 'past_key_values', rows, this.#hidden.positions),
        ...this.#decoderPast.tensors(this.#onnx, 'past_key_values', rows, this.#length),
      },
      {
        ...this.#decoderNext.tensors(this.#onnx, 'present', rows, this.#length + 1),
        ...this.#givenTensors(this.#given, rows),
      },
    )
    return this.#advance(1, this.#given)
  }

  /** The last row takes the place of one that ended. */
  drop(row: number): void {
    this.#rows -= 1
    if (row === this.#rows) return
    this.#encoderPast.moveRow(this.#rows, row, this.#hidden.positions)
    this.#decoderPast.moveRow(this.#rows, row, this.#length)
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#encoderPast.giveTo(this.#spare)
  }

  async #first(prefix: readonly number[], rows: Rows, given: Given): Promise<void> {
    const { Tensor } = this.#onnx
    const count = rows[1] - rows[0]
    const ids = BigInt64Array.from({ length: count * prefix.length }, (_, index) =>
      BigInt(prefix[index % prefix.length] ?? 0),
    )
    await this.#run(
      {
        input_ids: new Tensor('int64', ids, [count, prefix.length]),
        encoder_hidden_states: this.#hiddenRows(rows),
        use_cache_branch: new Tensor('bool', [false], [1]),
        ...this.#encoderPast.tensors(this.#onnx, 'past_key_values', rows, 0),
        ...this.#decoderPast.tensors(this.#onnx, 'past_key_values', rows, 0),
      },
      {
        ...this.#encoderPast.tensors(this.#onnx, 'present', rows, this.#hidden.positions),
        ...this.#decoderNext.tensors(this.#onnx, 'present', rows, prefix.length),
        ...this.#givenTensors(given, rows),
      },
    )
  }

  async #run(feeds: Record<string, Tensor>, outputs: Record<string, Tensor>): Promise<void> {
    if (this.#shape.keepsLogits)
      feeds.num_logits_to_keep = new this.#onnx.Tensor('int64', BigInt64Array.of(0n), [])
    await runNetwork('the decoder', () => this.#session.run(feeds, outputs))
  }

  /** The positions are read: what was written is the past of those to come. */
  #advance(positions: number, given: Given): Step {
    this.#length += positions
    const read = this.#decoderPast
    this.#decoderPast = this.#decoderNext
    this.#decoderNext = read
    const { vocabularySize, heads: headCount } = this.#shape
    const shaped = (numbers: Numbers, size: number) => numbers.subarray(0, this.#rows * positions * size)
    const numbers = shaped(given.logits, vocabularySize)
    if (numbers instanceof Uint16Array && this.#floats.length < numbers.length)
      this.#floats = new Float32Array(numbers.length)
    const encoderPositions = this.#hidden.positions
    const attention = new Map(
      [...given.attention].map(([layer, weights]) => [
        layer,
        asFloats(shaped(weights, headCount * encoderPositions)),
      ]),
    )
    const logits = asFloats(numbers, this.#floats)
    return { logits, positions, vocabularySize, headCount, encoderPositions, attention }
  }

  /** The network writes where so many positions fit; it reads from elsewhere, so there is nothing to take along. */
  #makeRoom(length: number): void {
    if (this.#decoderNext.room < length)
      this.#decoderNext = this.#keyValues('decoder', Math.max(length + MORE_POSITIONS, 2 * this.#length))
  }

  #keyValues(side: 'decoder' | 'encoder', room: number, spare?: SpareBlock): KeyValues {
    const { layers, heads, headSize, pastType: type } = this.#shape
    const names = Array.from({ length: layers }, (_, layer) =>
      ['key', 'value'].map((part) => `${layer}.${side}.${part}`),
    )
    return new KeyValues(names.flat(), { type, rows: this.#rows, heads, headSize, room }, spare)
  }

  #room(positions: number): Given {
    const { vocabularySize, heads, logitsType, attentionType } = this.#shape
    const count = this.#rows * positions
    const weights = () => roomFor('the decoder', attentionType, count * heads * this.#hidden.positions)
    return {
      positions,
      logits: roomFor('the decoder', logitsType, count * vocabularySize),
      attention: new Map(this.#attentionLayers.map((layer) => [layer, weights()])),
    }
  }

  #givenTensors({ logits, attention, positions }: Given, [fromRow, toRow]: Rows): Record<string, Tensor> {
    const { vocabularySize, heads } = this.#shape
    const rows = toRow - fromRow
    const part = (numbers: Numbers, ...dims: number[]) => {
      const size = dims.reduce((product, one) => product * one, 1)
      return this.#tensor(numbers.subarray(fromRow * size, toRow * size), [rows, ...dims])
    }
    const outputs = [...attention].map(
      ([layer, weights]) =>
        [`cross_attentions.${layer}`, part(weights, heads, positions, this.#hidden.positions)] as const,
    )
    return { logits: part(logits, positions, vocabularySize), ...Object.fromEntries(outputs) }
  }

  #hiddenRows([fromRow, toRow]: Rows): Tensor {
    const { data, positions, width } = this.#hidden
    const size = positions * width
    return this.#tensor(data.subarray(fromRow * size, toRow * size), [toRow - fromRow, positions, width])
  }

  #tensor(data: Numbers, dims: readonly number[]): Tensor {
    return numberTensor(this.#onnx, data, dims)
  }
}

/** Where the network writes what it says of some positions in each row. */
interface Given {
  readonly positions: number
  readonly logits: Numbers
  readonly attention: ReadonlyMap<number, Numbers>
}
