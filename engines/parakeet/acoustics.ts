import type { InferenceSession, Tensor } from 'onnxruntime-node'
import type { EngineError } from '../engine.ts'
import { notNumbers } from '../onnx/not-numbers.ts'
import type { Encoded } from './emission.ts'
import { running } from './failures.ts'
import type { FeatureExtractor } from './features.ts'

/** The network of a model that hears: the encoder, or the whole network of a CTC model, with the front end before it. */
export interface Acoustics {
  readonly features: FeatureExtractor
  readonly network: InferenceSession
  readonly networkFile: string
  /** How many items the network takes at once: one on a CPU, where a batch gains nothing and a cancel waits longer. */
  readonly itemsAtOnce: number
  /** Feature frames to a frame of the network. */
  readonly subsampling: number
  /** The error for what the network says and should not. */
  readonly invalid: (file: string, problem: string) => EngineError
}

/** What the encoder makes of samples. */
export async function encoded(acoustics: Acoustics, items: readonly Float32Array[]): Promise<Encoded> {
  const { network, networkFile, invalid } = acoustics
  const { values, lengths } = await acoustics.features.extract(items)
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
  const each = Array.from({ length: items.length }, (_, item) =>
    Math.max(0, Math.min(frames, Number(ends.data[item]))),
  )
  for (let row = 0; row < items.length * channels; row++) {
    const length = each[Math.floor(row / channels)] ?? 0
    // Behind an item's end a network may say anything.
    if (!areNumbers(outputs.data, row * frames, row * frames + length))
      throw notNumbers(networkFile, 'outputs')
  }
  return { data: outputs.data, items: items.length, channels, frames, lengths: each }
}

/** What a CTC network says of one item. */
export interface FrameLogits {
  /** [frame][token] */
  readonly rows: Float32Array
  readonly frames: number
  /** With those behind the sound. */
  readonly given: number
}

export async function frameLogits(
  acoustics: Acoustics,
  items: readonly Float32Array[],
  tokens: number,
): Promise<FrameLogits[]> {
  const { network, networkFile, invalid, subsampling } = acoustics
  const { values, lengths } = await acoustics.features.extract(items)
  const feeds = { audio_signal: values, length: lengths }
  const said = await running(networkFile, () => network.run(feeds, ['logprobs']))
  const logits = floats(said.logprobs)
  const [count, frames = 0, wide] = logits?.dims ?? []
  if (logits === null || logits.dims.length !== 3 || count !== items.length || wide !== tokens)
    throw invalid(
      networkFile,
      `logprobs: expected float32 [${items.length}, frames, ${tokens}] (vocab.txt), came ${described(said.logprobs)}`,
    )
  return items.map((_, item) => {
    // The network says no lengths: they follow from the features' (onnx-asr does the same).
    const heard = Math.min(frames, Math.ceil(Number(lengths.data[item]) / subsampling))
    const from = item * frames * tokens
    const rows = logits.data.subarray(from, from + heard * tokens)
    if (!areNumbers(rows, 0, rows.length)) throw notNumbers(networkFile, 'logprobs')
    return { rows, frames: heard, given: frames }
  })
}

export async function releaseAcoustics({ features, network }: Acoustics): Promise<void> {
  await features.release()
  await network.release()
}

/** A masked token may have no probability at all, which is −∞. */
function areNumbers(data: Float32Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (!((data[at] ?? 0) < Number.POSITIVE_INFINITY)) return false
  return true
}

function floats(tensor: Tensor | undefined): { data: Float32Array; dims: readonly number[] } | null {
  return tensor?.data instanceof Float32Array ? { data: tensor.data, dims: tensor.dims } : null
}

function described(tensor: Tensor | undefined): string {
  return tensor === undefined ? 'nothing' : `${tensor.type} [${tensor.dims.join(', ')}]`
}
