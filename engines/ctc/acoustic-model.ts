import type { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import type { SampleReader } from '../audio/sample-reader.ts'
import { EngineError } from '../engine.ts'
import { notNumbers } from '../onnx/not-numbers.ts'
import { onnxRuntime } from '../onnx/runtime.ts'
import { audioOf, type FrameGrid, type FrameRange, frameGrid } from './frames.ts'
import type { ModelConfig } from './model-config.ts'
import { areNumbers, logSoftmax, normalize } from './posteriors.ts'

/** How a network is called. */
export interface NetworkLayout {
  /** In the model folder. */
  readonly file: string
  readonly input: string
  readonly output: string
  /** The sound is brought to zero mean and unit variance. */
  readonly normalizes: boolean
  /** It puts out logits, not log probabilities. */
  readonly isLogits: boolean
  /** Tokens that write nothing, besides the blank. */
  readonly unwritten: readonly number[]
  /** The fields that say where frames lie, for errors. */
  readonly framesFrom: string
  /** What it needs to put out anything. */
  readonly fewestSamples: number
}

/** Ones for every sample; exports that have it want it. */
const MASK = 'attention_mask'

/** The network: samples of a window in, log probabilities of its frames out. */
export class AcousticModel {
  readonly grid: FrameGrid
  readonly #session: InferenceSession
  readonly #config: ModelConfig
  readonly #layout: NetworkLayout
  #audio = new Float32Array(0)

  constructor(session: InferenceSession, config: ModelConfig, layout: NetworkLayout) {
    this.#session = session
    this.#config = config
    this.#layout = layout
    this.grid = frameGrid(config)
  }

  /** What is wrong with a session's inputs and outputs, or null. */
  static interfaceProblem(
    session: InferenceSession,
    { input, output, isLogits }: NetworkLayout,
    tokens: number,
  ): string | null {
    const has = (names: readonly string[]) => names.join(', ') || 'none'
    const others = session.inputNames.filter((name) => name !== input && !(isLogits && name === MASK))
    if (others.length > 0 || !session.inputNames.includes(input))
      return `expected the one input ${input}, it has ${has(session.inputNames)}`
    if (!session.outputNames.includes(output))
      return `expected the output ${output}, it has ${has(session.outputNames)}`
    const shape = session.outputMetadata.find(({ name }) => name === output)
    const size = shape?.isTensor ? shape.shape.at(-1) : undefined
    if (typeof size === 'number' && size > 0 && size !== tokens)
      return `${output}: expected ${tokens} tokens as in the vocabulary, it has ${size}`
    return null
  }

  /**
   * [frame][token] of the window, natural log, as the whole recording would give them. Fewer frames than asked at the end of
   * the recording, where the network has too little sound for the last ones.
   */
  async logProbs(reader: SampleReader, window: FrameRange): Promise<Float32Array> {
    const { fromSample, toSample, firstFrame } = audioOf(window, this.grid)
    const wanted = toSample - fromSample
    if (this.#audio.length < wanted) this.#audio = new Float32Array(wanted)
    const read = await reader.read(fromSample, this.#audio.subarray(0, wanted))
    if (this.#layout.normalizes) normalize(this.#audio.subarray(0, read))
    // A network needs some sound to give its first frame: behind the end of the recording there is silence.
    const audio = this.#audio.subarray(0, Math.max(read, Math.min(wanted, this.#layout.fewestSamples)))
    audio.fill(0, read)
    const output = await this.hear(audio)
    const tokenCount = this.#config.tokens.length
    const [, frames = 0] = output.dims
    const from = Math.min(frames, window.from - firstFrame)
    const to = Math.min(frames, window.to - firstFrame)
    const logProbs = output.data.subarray(from * tokenCount, to * tokenCount)
    const { file, output: name, isLogits, unwritten } = this.#layout
    if (!areNumbers(logProbs)) throw notNumbers(file, name)
    if (isLogits) logSoftmax(logProbs, tokenCount, this.#config.blank_index, unwritten)
    return logProbs
  }

  /** What the network itself says: [1, frames, tokens], logits or log probabilities. */
  async hear(audio: Float32Array): Promise<{ data: Float32Array; dims: readonly number[] }> {
    const { Tensor } = await onnxRuntime()
    const shape = [1, audio.length]
    const feeds: Record<string, OnnxTensor> = { [this.#layout.input]: new Tensor('float32', audio, shape) }
    if (this.#session.inputNames.includes(MASK))
      feeds[MASK] = new Tensor('int64', new BigInt64Array(audio.length).fill(1n), shape)
    const outputs = await this.#session.run(feeds, [this.#layout.output]).catch((error: unknown) => {
      throw this.#runError(error)
    })
    const output = outputs[this.#layout.output]
    if (output === undefined || !(output.data instanceof Float32Array))
      throw this.#wrongOutput(output?.type ?? 'nothing')
    const [batch, , tokens] = output.dims
    if (output.dims.length !== 3 || batch !== 1 || tokens !== this.#config.tokens.length)
      throw this.#wrongOutput(`[${output.dims.join(', ')}]`)
    return { data: output.data, dims: output.dims }
  }

  release(): Promise<void> {
    return this.#session.release()
  }

  /** A lack of memory is typed: the task is tried again with shorter windows. */
  #runError(error: unknown): unknown {
    const said = error instanceof Error ? error.message : String(error)
    if (!/out of memory|failed to allocate|bad_?alloc/i.test(said)) return error
    const message = `${this.#layout.file}: there is not enough memory for a window: ${said}`.slice(0, 2000)
    return new EngineError({ code: 'out_of_memory', message, retryable: true }, { cause: error })
  }

  #wrongOutput(came: string): EngineError {
    const { file, output } = this.#layout
    return new EngineError({
      code: 'invalid_model',
      message: `${file}: expected ${output} as float32 [1, frames, ${this.#config.tokens.length}] (the vocabulary), came ${came}`,
      retryable: false,
    })
  }
}
