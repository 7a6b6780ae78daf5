import type { InferenceSession, Tensor } from 'onnxruntime-node'
import type { EngineError } from '../engine.ts'
import { ctcGreedy } from './ctc-greedy.ts'
import type { Emission, Encoded } from './emission.ts'
import { running } from './failures.ts'
import type { FeatureExtractor } from './features.ts'
import type { GreedySearch } from './greedy-search.ts'

/** `heard` of the items went through the encoder, which is most of the work. */
export type Between = (heard: number) => Promise<void>

/** The networks of a model from sound to tokens. */
export interface Recognizer {
  /** Tokens of each item of samples. `between` is called between the networks' runs: it may throw to end the work. */
  recognize(items: readonly Float32Array[], between: Between): Promise<Emission[][]>
  release(): Promise<void>
}

export interface Acoustics {
  readonly features: FeatureExtractor
  /** The encoder, or the whole network of a CTC model. */
  readonly network: InferenceSession
  readonly networkFile: string
  /** How many items the network takes at once: one on a CPU, where a batch gains nothing and a cancel waits longer. */
  readonly itemsAtOnce: number
  /** The error for what the network says and should not. */
  readonly invalid: (file: string, problem: string) => EngineError
}

/** Encoder and greedy search: TDT and RNN-T. */
export class TransducerRecognizer implements Recognizer {
  readonly #acoustics: Acoustics
  readonly #search: GreedySearch

  constructor(acoustics: Acoustics, search: GreedySearch) {
    this.#acoustics = acoustics
    this.#search = search
  }

  async recognize(items: readonly Float32Array[], between: Between): Promise<Emission[][]> {
    const encoded: Encoded[] = []
    let heard = 0
    for (const part of partsOf(items, this.#acoustics.itemsAtOnce)) {
      await between(heard)
      encoded.push(await this.#encode(part))
      heard += part.length
    }
    return this.#search.search(stacked(encoded), () => between(heard))
  }

  async release(): Promise<void> {
    await releaseAcoustics(this.#acoustics)
    await this.#search.release()
  }

  async #encode(items: readonly Float32Array[]): Promise<Encoded> {
    const { network, networkFile, invalid } = this.#acoustics
    const { values, lengths } = await this.#acoustics.features.extract(items)
    const feeds = { audio_signal: values, length: lengths }
    const said = await running(networkFile, () => network.run(feeds, ['outputs', 'encoded_lengths']))
    const outputs = floats(said.outputs)
    const [count, channels = 0, frames = 0] = outputs?.dims ?? []
    if (outputs === null || outputs.dims.length !== 3 || count !== items.length)
      throw invalid(
        networkFile,
        `outputs: expected float32 [${items.length}, channels, frames], came ${described(said.outputs)}`,
      )
    const ends = said.encoded_lengths
    if (ends === undefined || ends.dims.length !== 1 || ends.size !== items.length)
      throw invalid(networkFile, `encoded_lengths: expected [${items.length}], came ${described(ends)}`)
    const each = Array.from({ length: items.length }, (_, item) => Math.min(frames, Number(ends.data[item])))
    return { data: outputs.data, items: items.length, channels, frames, lengths: each }
  }
}

/** A network that says each frame's token by itself. */
export class CtcRecognizer implements Recognizer {
  readonly #acoustics: Acoustics
  readonly #tokens: number
  readonly #subsampling: number

  constructor(acoustics: Acoustics, tokens: number, subsampling: number) {
    this.#acoustics = acoustics
    this.#tokens = tokens
    this.#subsampling = subsampling
  }

  async recognize(items: readonly Float32Array[], between: Between): Promise<Emission[][]> {
    const found: Emission[][] = []
    for (const part of partsOf(items, this.#acoustics.itemsAtOnce)) {
      await between(found.length)
      found.push(...(await this.#recognize(part)))
    }
    return found
  }

  release(): Promise<void> {
    return releaseAcoustics(this.#acoustics)
  }

  async #recognize(items: readonly Float32Array[]): Promise<Emission[][]> {
    const { network, networkFile, invalid } = this.#acoustics
    const { values, lengths } = await this.#acoustics.features.extract(items)
    const feeds = { audio_signal: values, length: lengths }
    const said = await running(networkFile, () => network.run(feeds, ['logprobs']))
    const logits = floats(said.logprobs)
    const [count, frames = 0, tokens] = logits?.dims ?? []
    if (logits === null || logits.dims.length !== 3 || count !== items.length || tokens !== this.#tokens)
      throw invalid(
        networkFile,
        `logprobs: expected float32 [${items.length}, frames, ${this.#tokens}] (vocab.txt), came ${described(said.logprobs)}`,
      )
    return items.map((_, item) => {
      // The network says no lengths: they follow from the features' (onnx-asr does the same).
      const heard = Math.ceil(Number(lengths.data[item]) / this.#subsampling)
      const rows = logits.data.subarray(item * frames * this.#tokens)
      return ctcGreedy(rows, Math.min(frames, heard), this.#tokens, this.#tokens - 1)
    })
  }
}

/** Batches of one width as one, padded to the longest. Its own data where there is only one. */
function stacked(parts: readonly Encoded[]): Encoded {
  const [first] = parts
  if (parts.length === 1 && first !== undefined) return first
  const channels = first?.channels ?? 0
  const frames = Math.max(0, ...parts.map((part) => part.frames))
  const items = parts.reduce((sum, part) => sum + part.items, 0)
  const data = new Float32Array(items * channels * frames)
  let row = 0
  for (const part of parts)
    for (let at = 0; at < part.items * channels; at++, row++)
      data.set(part.data.subarray(at * part.frames, (at + 1) * part.frames), row * frames)
  return { data, items, channels, frames, lengths: parts.flatMap((part) => part.lengths) }
}

function partsOf<Item>(items: readonly Item[], size: number): Item[][] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size))
}

async function releaseAcoustics({ features, network }: Acoustics): Promise<void> {
  await features.release()
  await network.release()
}

function floats(tensor: Tensor | undefined): { data: Float32Array; dims: readonly number[] } | null {
  return tensor?.data instanceof Float32Array ? { data: tensor.data, dims: tensor.dims } : null
}

function described(tensor: Tensor | undefined): string {
  return tensor === undefined ? 'nothing' : `${tensor.type} [${tensor.dims.join(', ')}]`
}
