import type { InferenceSession, Tensor } from 'onnxruntime-node'
import type { onnxRuntime } from '../onnx/runtime.ts'
import type { DecoderShape } from './decoder.ts'
import type { Hidden } from './encoder.ts'
import { EncoderPast, type KeyValueSizes, noPast, OwnPast, type Rows, type SpareBlock } from './key-values.ts'
import { LOOP_OUTPUTS } from './loop-graph.ts'
import { loopInputs, type Wish } from './loop-inputs.ts'
import { runNetwork } from './network-errors.ts'
import {
  attentionOfHeads,
  attentionOfLayers,
  type Head,
  layersOf,
  type StepAttention,
} from './step-attention.ts'
import { joinedSteps, logitsStep, type Step, type Stretch, stretchOf } from './steps.ts'
import { asType, numberTensor } from './values.ts'

type Outputs = Readonly<Record<string, Tensor>>

/** What a run needs of its decoder. */
export interface Network {
  readonly onnx: Awaited<ReturnType<typeof onnxRuntime>>
  /** What the session was read from, for errors. */
  readonly file: string
  readonly session: InferenceSession
  readonly shape: DecoderShape
  readonly spare: SpareBlock
}

/**
 * The state of a batch that is being decoded: each row's keys and values. The encoder's are written once, behind the prefix,
 * and read where they stay. A row that ended is dropped: the last one takes its place. A run that is disposed of leaves its
 * memory to the next one.
 */
export class DecoderRun implements Disposable {
  readonly #network: Network
  readonly #hidden: Hidden
  readonly #heads: readonly Head[]
  readonly #firstLogits: number
  readonly #sizes: KeyValueSizes
  readonly #encoderPast: EncoderPast
  readonly #ownPast: OwnPast
  readonly #useCache: Tensor
  #rows: number
  #isOver = false
  /** Positions that were read. */
  #length = 0

  constructor(network: Network, hidden: Hidden, heads: readonly Head[], firstLogits: number) {
    const { layers, heads: headCount, headSize, pastType: type, hiddenType } = network.shape
    this.#network = network
    this.#hidden = { ...hidden, data: asType(hidden.data, hiddenType), type: hiddenType }
    this.#heads = heads
    this.#firstLogits = firstLogits
    this.#rows = hidden.rows
    this.#sizes = { type, layers, rows: hidden.rows, heads: headCount, headSize }
    this.#encoderPast = new EncoderPast(this.#sizes, hidden.positions, network.spare)
    this.#ownPast = new OwnPast(this.#sizes)
    this.#useCache = new network.onnx.Tensor('bool', [true], [1])
  }

  get rows(): number {
    return this.#rows
  }

  /** Reads the same prefix in every row. */
  async first(prefix: readonly number[]): Promise<Step> {
    const room = prefix.length * this.#network.shape.vocabularySize
    const most = Math.max(1, Math.floor(this.#firstLogits / room))
    const parts: Step[] = []
    for (let from = 0; from < this.#rows; from += most)
      parts.push(await this.#first(prefix, [from, Math.min(this.#rows, from + most)]))
    this.#length = prefix.length
    return joinedSteps(parts, most)
  }

  /** Reads one token a row. */
  async next(tokens: ArrayLike<number>): Promise<Step> {
    const outputs = await this.#behind(tokens, null, ['logits'])
    return logitsStep(outputs, this.#attentionOf(outputs))
  }

  /**
   * Writes greedily as the wish says: so many steps behind each row's last token, or fewer where a row ends. Only a decoder
   * that `writesAlone` does.
   */
  async write(wish: Wish): Promise<Stretch> {
    const last = wish.rows.map((row) => row.last)
    const outputs = await this.#behind(last, wish, [LOOP_OUTPUTS.tokens, LOOP_OUTPUTS.logProbs])
    return stretchOf(outputs, this.#rows, this.#attentionOf(outputs))
  }

  /** The last row takes the place of one that ended. */
  drop(row: number): void {
    this.#rows -= 1
    if (row === this.#rows) return
    this.#encoderPast.moveRow(this.#rows, row)
    this.#ownPast.moveRow(this.#rows, row)
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#encoderPast.giveTo(this.#network.spare)
  }

  async #first(prefix: readonly number[], rows: Rows): Promise<Step> {
    const { onnx } = this.#network
    const count = rows[1] - rows[0]
    const ids = Array.from({ length: count }, () => prefix).flat()
    const outputs = await this.#run(
      {
        ...this.#inputs(ids, [count, prefix.length], rows),
        use_cache_branch: new onnx.Tensor('bool', [false], [1]),
        ...noPast(onnx, this.#sizes, count),
        ...this.#loopInputs(count, null),
      },
      { ...this.#asked(['logits']), ...this.#encoderPast.tensors(onnx, 'present', rows) },
    )
    this.#ownPast.take(outputs, prefix.length, rows, this.#rows)
    return logitsStep(outputs, this.#attentionOf(outputs))
  }

  async #behind(tokens: ArrayLike<number>, wish: Wish | null, asked: readonly string[]): Promise<Outputs> {
    const { onnx } = this.#network
    const rows: Rows = [0, this.#rows]
    const outputs = await this.#run(
      {
        ...this.#inputs(tokens, [this.#rows, 1], rows),
        use_cache_branch: this.#useCache,
        ...this.#encoderPast.tensors(onnx, 'past_key_values', rows),
        ...this.#ownPast.tensors(onnx, this.#rows),
        ...this.#loopInputs(this.#rows, wish),
      },
      this.#asked(asked),
    )
    const tokensRead = outputs[LOOP_OUTPUTS.tokens]?.dims[0] ?? 1
    this.#length += tokensRead
    this.#ownPast.take(outputs, this.#length, rows, this.#rows)
    return outputs
  }

  #inputs(ids: ArrayLike<number>, dims: readonly number[], [from, to]: Rows): Record<string, Tensor> {
    const { onnx, shape } = this.#network
    const { data, positions, width } = this.#hidden
    const hidden = data.subarray(from * positions * width, to * positions * width)
    const size = dims.reduce((product, one) => product * one, 1)
    const integers = BigInt64Array.from({ length: size }, (_, at) => BigInt(ids[at] ?? 0))
    return {
      input_ids: new onnx.Tensor('int64', integers, dims),
      encoder_hidden_states: numberTensor(onnx, hidden, [to - from, positions, width]),
      ...(shape.keepsLogits
        ? { num_logits_to_keep: new onnx.Tensor('int64', BigInt64Array.of(0n), []) }
        : {}),
    }
  }

  #loopInputs(rows: number, wish: Wish | null): Record<string, Tensor> {
    const { onnx, shape } = this.#network
    return shape.loop === null ? {} : loopInputs(onnx, shape.loop, this.#heads, rows, wish)
  }

  /** Outputs by name, for the runtime to make room for. */
  #asked(names: readonly string[]): Record<string, null> {
    const attention =
      this.#network.shape.loop === null
        ? layersOf(this.#heads).map((layer) => `cross_attentions.${layer}`)
        : this.#heads.slice(0, 1).map(() => LOOP_OUTPUTS.attention)
    return Object.fromEntries([...names, ...this.#ownPast.outputs, ...attention].map((name) => [name, null]))
  }

  #attentionOf(outputs: Outputs): StepAttention {
    const { loop } = this.#network.shape
    return loop === null ? attentionOfLayers(outputs, this.#heads) : attentionOfHeads(outputs, this.#heads)
  }

  #run(feeds: Record<string, Tensor>, outputs: Record<string, Tensor | null>): Promise<Outputs> {
    const { file, session } = this.#network
    return runNetwork(file, () => session.run(feeds, outputs))
  }
}
