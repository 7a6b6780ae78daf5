import type { InferenceSession, Tensor } from 'onnxruntime-node'
import type { onnxRuntime } from '../onnx/runtime.ts'
import type { DecoderShape } from './decoder.ts'
import type { Hidden } from './encoder.ts'
import { JoinedRows } from './joined-rows.ts'
import { runNetwork } from './network-errors.ts'
import { asFloats, asType, emptyNumbers, fedBack, type Numbers, numbersOf, numberTensor } from './values.ts'

type Onnx = Awaited<ReturnType<typeof onnxRuntime>>

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

/**
 * The state of a batch that is being decoded: each row's keys and values, which stay where the network wrote them. Only the
 * decoder's own are fetched after the first run; the encoder's are the same ever after. A row that ended is dropped: the last
 * one takes its place.
 */
export class DecoderRun {
  readonly #onnx: Onnx
  readonly #session: InferenceSession
  readonly #shape: DecoderShape
  readonly #hidden: Hidden
  readonly #attentionLayers: readonly number[]
  readonly #firstLogits: number
  readonly #stepOutputs: string[]
  readonly #useCache: Tensor
  #encoderPast: Record<string, Tensor> = {}
  #decoderPast: Record<string, Tensor> = {}
  #rows: number
  #floats = new Float32Array(0)

  constructor(
    onnx: Onnx,
    session: InferenceSession,
    shape: DecoderShape,
    hidden: Hidden,
    attentionLayers: readonly number[],
    firstLogits: number,
  ) {
    this.#onnx = onnx
    this.#session = session
    this.#shape = shape
    this.#hidden = { ...hidden, data: asType(hidden.data, shape.hiddenType), type: shape.hiddenType }
    this.#attentionLayers = attentionLayers
    this.#firstLogits = firstLogits
    this.#rows = hidden.rows
    this.#useCache = new onnx.Tensor('bool', [true], [1])
    const attention = attentionLayers.map((layer) => `cross_attentions.${layer}`)
    this.#stepOutputs = ['logits', ...this.#names('present', DECODER_PARTS), ...attention]
  }

  get rows(): number {
    return this.#rows
  }

  /** Reads the same prefix in every row. */
  async first(prefix: readonly number[]): Promise<Step> {
    const { vocabularySize } = this.#shape
    const most = Math.max(1, Math.floor(this.#firstLogits / (prefix.length * vocabularySize)))
    if (this.#rows <= most) return this.#first(prefix, 0, this.#rows)
    const joined = new JoinedRows(this.#rows)
    for (let from = 0; from < this.#rows; from += most) {
      const to = Math.min(this.#rows, from + most)
      joined.add(
        await this.#first(prefix, from, to),
        { ...this.#encoderPast, ...this.#decoderPast },
        to - from,
      )
    }
    const past = joined.past(this.#onnx)
    this.#encoderPast = picked(past, this.#names('past_key_values', ENCODER_PARTS))
    this.#decoderPast = picked(past, this.#names('past_key_values', DECODER_PARTS))
    return joined.step()
  }

  /** Reads one token a row. */
  async next(tokens: ArrayLike<number>): Promise<Step> {
    const { Tensor } = this.#onnx
    const ids = BigInt64Array.from({ length: this.#rows }, (_, row) => BigInt(tokens[row] ?? 0))
    const outputs = await this.#run(
      {
        input_ids: new Tensor('int64', ids, [this.#rows, 1]),
        encoder_hidden_states: this.#hiddenRows(0, this.#rows),
        use_cache_branch: this.#useCache,
        ...this.#encoderPast,
        ...this.#decoderPast,
      },
      this.#stepOutputs,
    )
    this.#decoderPast = renamed(this.#onnx, outputs, this.#names('present', DECODER_PARTS))
    return this.#step(outputs, 1)
  }

  /** The last row takes the place of one that ended. */
  drop(row: number): void {
    const last = this.#rows - 1
    const moved = (past: Record<string, Tensor>) =>
      Object.fromEntries(
        Object.entries(past).map(([name, tensor]) => {
          const data = numbersOf(tensor, name)
          const size = data.length / this.#rows
          if (row !== last) data.copyWithin(row * size, last * size, this.#rows * size)
          const dims = [last, ...tensor.dims.slice(1)]
          return [name, this.#tensor(data.subarray(0, last * size), dims)]
        }),
      )
    this.#encoderPast = moved(this.#encoderPast)
    this.#decoderPast = moved(this.#decoderPast)
    this.#rows = last
  }

  async #first(prefix: readonly number[], fromRow: number, toRow: number): Promise<Step> {
    const { Tensor } = this.#onnx
    const rows = toRow - fromRow
    const ids = BigInt64Array.from({ length: rows * prefix.length }, (_, index) =>
      BigInt(prefix[index % prefix.length] ?? 0),
    )
    const outputs = await this.#run(
      {
        input_ids: new Tensor('int64', ids, [rows, prefix.length]),
        encoder_hidden_states: this.#hiddenRows(fromRow, toRow),
        use_cache_branch: new Tensor('bool', [false], [1]),
        ...this.#emptyPast(rows),
      },
      [...this.#stepOutputs, ...this.#names('present', ENCODER_PARTS)],
    )
    this.#encoderPast = renamed(this.#onnx, outputs, this.#names('present', ENCODER_PARTS))
    this.#decoderPast = renamed(this.#onnx, outputs, this.#names('present', DECODER_PARTS))
    return this.#step(outputs, prefix.length)
  }

  #run(feeds: Record<string, Tensor>, fetches: string[]): Promise<InferenceSession.OnnxValueMapType> {
    if (this.#shape.keepsLogits)
      feeds.num_logits_to_keep = new this.#onnx.Tensor('int64', BigInt64Array.of(0n), [])
    return runNetwork('the decoder', () => this.#session.run(feeds, fetches))
  }

  #step(outputs: InferenceSession.OnnxValueMapType, positions: number): Step {
    const attention = new Map(
      this.#attentionLayers.map((layer) => {
        const name = `cross_attentions.${layer}`
        return [layer, asFloats(numbersOf(tensorOf(outputs, name), name))]
      }),
    )
    const numbers = numbersOf(tensorOf(outputs, 'logits'), 'logits')
    if (numbers instanceof Uint16Array && this.#floats.length < numbers.length)
      this.#floats = new Float32Array(numbers.length)
    const { vocabularySize, heads: headCount } = this.#shape
    const logits = asFloats(numbers, this.#floats)
    const encoderPositions = this.#hidden.positions
    return { logits, positions, vocabularySize, headCount, encoderPositions, attention }
  }

  #hiddenRows(fromRow: number, toRow: number): Tensor {
    const { data, positions, width } = this.#hidden
    const size = positions * width
    return this.#tensor(data.subarray(fromRow * size, toRow * size), [toRow - fromRow, positions, width])
  }

  #emptyPast(rows: number): Record<string, Tensor> {
    const { heads, headSize, pastType } = this.#shape
    const none = this.#tensor(emptyNumbers(pastType, 0), [rows, heads, 0, headSize])
    return Object.fromEntries(
      this.#names('past_key_values', [...DECODER_PARTS, ...ENCODER_PARTS]).map((name) => [name, none]),
    )
  }

  #tensor(data: Numbers, dims: readonly number[]): Tensor {
    return numberTensor(this.#onnx, data, dims)
  }

  #names(stem: 'past_key_values' | 'present', parts: readonly string[]): string[] {
    return Array.from({ length: this.#shape.layers }, (_, layer) =>
      parts.map((part) => `${stem}.${layer}.${part}`),
    ).flat()
  }
}

const DECODER_PARTS = ['decoder.key', 'decoder.value']
const ENCODER_PARTS = ['encoder.key', 'encoder.value']

/** A step's `present` as the next one's past. */
function renamed(
  onnx: Onnx,
  outputs: InferenceSession.OnnxValueMapType,
  names: readonly string[],
): Record<string, Tensor> {
  return Object.fromEntries(
    names.map((name) => [
      name.replace('present', 'past_key_values'),
      fedBack(onnx, tensorOf(outputs, name), name),
    ]),
  )
}

function picked(past: Readonly<Record<string, Tensor>>, names: readonly string[]): Record<string, Tensor> {
  return Object.fromEntries(names.map((name) => [name, tensorOf(past, name)]))
}

function tensorOf(outputs: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const tensor = outputs[name]
  if (tensor === undefined) throw new TypeError(`the decoder gave no ${name}`)
  return tensor
}
