import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { nemoLogMelModel } from '../onnx/log-mel.ts'
import { onnxRuntime, openModel } from '../onnx/runtime.ts'
import { running } from './failures.ts'

/** Log-mel features of a batch: what the encoder reads. */
export interface Features {
  /** [item][band][frame] */
  readonly values: Tensor
  /** Frames of each item. */
  readonly lengths: Tensor
}

/** The front end, a graph as well. */
export class FeatureExtractor {
  readonly #session: InferenceSession

  private constructor(session: InferenceSession) {
    this.#session = session
  }

  /** On the CPU always: it takes 10 ms for 30 s, and the graph is 1 MB. */
  static async open(bands: number, threads: number): Promise<FeatureExtractor> {
    return new FeatureExtractor(await openModel(nemoLogMelModel(bands), { threads }))
  }

  /** Items of samples from −1 to 1; shorter ones are filled with silence, which does not count. */
  async extract(items: readonly Float32Array[]): Promise<Features> {
    const { Tensor } = await onnxRuntime()
    const longest = Math.max(1, ...items.map((item) => item.length))
    const audio = new Float32Array(items.length * longest)
    for (const [index, item] of items.entries()) audio.set(item, index * longest)
    const lengths = BigInt64Array.from(items, (item) => BigInt(item.length))
    const said = await running('features', () =>
      this.#session.run({
        audio: new Tensor('float32', audio, [items.length, longest]),
        audio_lengths: new Tensor('int64', lengths, [items.length]),
      }),
    )
    if (said.features === undefined || said.feature_lengths === undefined)
      throw new TypeError('The front end gave no features')
    return { values: said.features, lengths: said.feature_lengths }
  }

  release(): Promise<void> {
    return this.#session.release()
  }
}
