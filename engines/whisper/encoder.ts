import type { InferenceSession } from 'onnxruntime-node'
import { onnxRuntime } from '../onnx/runtime.ts'
import { CHUNK_SAMPLES } from './chunks.ts'
import type { NetworkConfig } from './model-config.ts'
import { misfit, runNetwork } from './network-errors.ts'
import { asType, emptyNumbers, type Numbers, type NumberType, numbersOf, numberTensor } from './values.ts'

const INPUT = 'input_features'
const OUTPUT = 'last_hidden_state'

/** What the encoder made of some chunks: [row][position][width], one after another. */
export interface Hidden {
  readonly data: Numbers
  readonly type: NumberType
  readonly rows: number
  readonly positions: number
  readonly width: number
}

/** Sound to hidden states: the log-mel graph, which is made here, and the model's encoder. */
export class Encoder {
  readonly #file: string
  readonly #mel: InferenceSession
  readonly #session: InferenceSession
  readonly #inputType: NumberType
  readonly #outputType: NumberType
  readonly #positions: number
  readonly #width: number

  /** `file`: what the session was read from, for errors. */
  constructor(mel: InferenceSession, session: InferenceSession, config: NetworkConfig, file: string) {
    this.#file = file
    this.#mel = mel
    this.#session = session
    this.#inputType = typeOf(session.inputMetadata, INPUT)
    this.#outputType = typeOf(session.outputMetadata, OUTPUT)
    this.#positions = config.max_source_positions
    this.#width = config.d_model
  }

  /** What is wrong with a session's inputs and outputs, or null. */
  static interfaceProblem(session: InferenceSession, config: NetworkConfig): string | null {
    if (!session.inputNames.includes(INPUT))
      return `expected the input ${INPUT}, it has ${session.inputNames.join(', ') || 'none'}`
    if (!session.outputNames.includes(OUTPUT))
      return `expected the output ${OUTPUT}, it has ${session.outputNames.join(', ') || 'none'}`
    const mels = sizesOf(session.inputMetadata, INPUT)[1]
    if (typeof mels === 'number' && mels !== config.num_mel_bins)
      return `${INPUT} takes ${mels} mel bins, config.json says num_mel_bins ${config.num_mel_bins}`
    return null
  }

  /** Room for the hidden states of so many chunks. */
  hidden(rows: number): Hidden {
    const [type, positions, width] = [this.#outputType, this.#positions, this.#width]
    return { data: emptyNumbers(type, rows * positions * width), type, rows, positions, width }
  }

  /** 30 s of samples to the mel spectrum that the encoder sees. */
  async features(samples: Float32Array): Promise<Float32Array> {
    const { Tensor } = await onnxRuntime()
    const audio = new Tensor('float32', samples, [1, CHUNK_SAMPLES])
    const { features } = await this.#mel.run({ audio }, ['features'])
    if (features === undefined || !(features.data instanceof Float32Array))
      throw new TypeError('the mel graph gave no floats')
    return features.data
  }

  /**
   * Encodes 30 s of samples into one row. One chunk at a time: on a CPU a batch is no faster, and a cancel is heard between
   * two.
   */
  async encode(samples: Float32Array, into: Hidden, row: number): Promise<void> {
    const onnx = await onnxRuntime()
    const mel = await this.features(samples)
    const frames = 2 * this.#positions
    const input = numberTensor(onnx, asType(mel, this.#inputType), [1, mel.length / frames, frames])
    const outputs = await runNetwork(this.#file, () => this.#session.run({ [INPUT]: input }, [OUTPUT]))
    const output = outputs[OUTPUT]
    const size = this.#positions * this.#width
    if (output === undefined || output.size !== size)
      throw misfit(
        this.#file,
        `${OUTPUT}: expected 1 × ${this.#positions} × ${this.#width}, came ${output?.dims.join(' × ') ?? 'nothing'}`,
      )
    into.data.set(numbersOf(output, OUTPUT), row * size)
  }

  async release(): Promise<void> {
    await this.#mel.release()
    await this.#session.release()
  }
}

/** Some of the rows, in another order. */
export function rowsOf(hidden: Hidden, rows: readonly number[]): Hidden {
  const size = hidden.positions * hidden.width
  const data = emptyNumbers(hidden.type, rows.length * size)
  for (const [index, row] of rows.entries())
    data.set(hidden.data.subarray(row * size, (row + 1) * size), index * size)
  return { ...hidden, data, rows: rows.length }
}

export function typeOf(metadata: readonly InferenceSession.ValueMetadata[], name: string): NumberType {
  const found = metadata.find((one) => one.name === name)
  return found?.isTensor === true && found.type === 'float16' ? 'float16' : 'float32'
}

/** A tensor's sizes as the file states them: a string is one that varies. */
export function sizesOf(
  metadata: readonly InferenceSession.ValueMetadata[],
  name: string,
): readonly (number | string)[] {
  const found = metadata.find((one) => one.name === name)
  return found?.isTensor === true ? found.shape : []
}
