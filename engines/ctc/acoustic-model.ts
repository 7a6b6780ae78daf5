import type { InferenceSession } from 'onnxruntime-node'
import { EngineError } from '../engine.ts'
import { onnxRuntime } from '../onnx/runtime.ts'
import { audioOf, type FrameGrid, type FrameRange, frameGrid } from './frames.ts'
import type { ModelConfig } from './model-config.ts'
import type { SampleReader } from './sample-reader.ts'

const INPUT = 'audio'
const OUTPUT = 'log_probs'

/** The network: samples of a window in, log probabilities of its frames out. */
export class AcousticModel {
  readonly grid: FrameGrid
  readonly #session: InferenceSession
  readonly #tokenCount: number
  #audio = new Float32Array(0)

  constructor(session: InferenceSession, config: ModelConfig) {
    this.#session = session
    this.#tokenCount = config.tokens.length
    this.grid = frameGrid(config)
  }

  /** What is wrong with a session's inputs and outputs, or null. */
  static interfaceProblem(session: InferenceSession): string | null {
    const has = (names: readonly string[]) => names.join(', ') || 'none'
    if (session.inputNames.length !== 1 || session.inputNames[0] !== INPUT)
      return `expected the one input ${INPUT}, it has ${has(session.inputNames)}`
    if (!session.outputNames.includes(OUTPUT))
      return `expected the output ${OUTPUT}, it has ${has(session.outputNames)}`
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
    // A network needs some sound to give its first frame: behind the end of the recording there is silence.
    const shortest = Math.min(wanted, 2 * this.grid.contextFrames * this.grid.samplesPerFrame)
    const audio = this.#audio.subarray(0, Math.max(read, shortest))
    audio.fill(0, read)
    const { Tensor } = await onnxRuntime()
    const outputs = await this.#session.run({ [INPUT]: new Tensor('float32', audio, [1, audio.length]) }, [
      OUTPUT,
    ])
    const output = outputs[OUTPUT]
    if (output === undefined || !(output.data instanceof Float32Array))
      throw this.#wrongOutput(output?.type ?? 'nothing')
    const [batch, frames = 0, tokens] = output.dims
    if (output.dims.length !== 3 || batch !== 1 || tokens !== this.#tokenCount)
      throw this.#wrongOutput(`[${output.dims.join(', ')}]`)
    const from = Math.min(frames, window.from - firstFrame)
    const to = Math.min(frames, window.to - firstFrame)
    return output.data.subarray(from * this.#tokenCount, to * this.#tokenCount)
  }

  release(): Promise<void> {
    return this.#session.release()
  }

  #wrongOutput(came: string): EngineError {
    return new EngineError({
      code: 'invalid_model',
      message: `model.onnx: expected ${OUTPUT} as float32 [1, frames, ${this.#tokenCount}] (config.json: tokens), came ${came}`,
      retryable: false,
    })
  }
}
