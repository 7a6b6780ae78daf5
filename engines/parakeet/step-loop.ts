import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { notNumbers } from '../onnx/not-numbers.ts'
import { onnxRuntime } from '../onnx/runtime.ts'
import { largest, probabilityOf } from './ctc-greedy.ts'
import type { Emission, Encoded } from './emission.ts'
import { running } from './failures.ts'
import type { GreedySearch } from './greedy-search.ts'
import { STEP_OUTPUTS, type StepModel, widthProblem } from './step-model.ts'
import { nextPlace } from './transducer-step.ts'

/** A look at the clock after each step would cost little; a turn of the event loop after each would not. */
const STEPS_BETWEEN = 100

/**
 * Greedy search one item and one step at a time, with the search's state in JavaScript: what the graph of the loop is held
 * to, and what runs where that cannot be built.
 */
export class StepLoop implements GreedySearch {
  readonly #session: Pick<InferenceSession, 'run' | 'release'>
  readonly #model: StepModel

  constructor(session: Pick<InferenceSession, 'run' | 'release'>, model: StepModel) {
    this.#session = session
    this.#model = model
  }

  async search(encoded: Encoded, between: () => Promise<void>): Promise<Emission[][]> {
    const found: Emission[][] = []
    for (let item = 0; item < encoded.items; item++)
      found.push(await this.#searchItem(encoded, item, between))
    return found
  }

  release(): Promise<void> {
    return this.#session.release()
  }

  async #searchItem(encoded: Encoded, item: number, between: () => Promise<void>): Promise<Emission[]> {
    const { Tensor } = await onnxRuntime()
    const { tokens, blank, mostTokens, hasDurations, layers, hidden, wholeType } = this.#model
    const whole = (value: number, dims: number[]) =>
      wholeType === 'int64'
        ? new Tensor('int64', BigInt64Array.of(BigInt(value)), dims)
        : new Tensor('int32', Int32Array.of(value), dims)
    const zeros = () => new Tensor('float32', new Float32Array(layers * hidden), [layers, 1, hidden])
    const found: Emission[] = []
    let states: [Tensor, Tensor] = [zeros(), zeros()]
    let last = blank
    let place = { frame: 0, written: 0 }
    for (let step = 0; place.frame < (encoded.lengths[item] ?? 0); step++) {
      if (step % STEPS_BETWEEN === 0) await between()
      const feeds = {
        encoder_outputs: new Tensor('float32', frameOf(encoded, item, place.frame), [1, encoded.channels, 1]),
        targets: whole(last, [1, 1]),
        target_length: whole(1, [1]),
        input_states_1: states[0],
        input_states_2: states[1],
      }
      const said = await running('decoder_joint', () => this.#session.run(feeds, STEP_OUTPUTS))
      const logits = floats(said.outputs)
      const problem = widthProblem(logits.length, tokens, hasDurations)
      if (problem !== null) throw new TypeError(problem)
      const byToken = logits.subarray(0, tokens)
      const token = largest(byToken)
      const probability = probabilityOf(byToken, token)
      if (Number.isNaN(probability)) throw notNumbers('decoder_joint', 'outputs')
      const duration = hasDurations ? largest(logits.subarray(tokens)) : 0
      if (token !== blank) {
        found.push({
          token,
          frame: place.frame,
          frames: duration,
          probability,
        })
        last = token
        if (said.output_states_1 !== undefined && said.output_states_2 !== undefined)
          states = [said.output_states_1, said.output_states_2]
      }
      place = nextPlace(place, token === blank, duration, mostTokens)
    }
    return found
  }
}

/** [channel] of one frame. */
function frameOf(encoded: Encoded, item: number, frame: number): Float32Array {
  const { channels, frames, data } = encoded
  const at = item * channels * frames + frame
  return Float32Array.from({ length: channels }, (_, channel) => data[at + channel * frames] ?? 0)
}

function floats(tensor: Tensor | undefined): Float32Array {
  if (tensor?.data instanceof Float32Array) return tensor.data
  throw new TypeError(`decoder_joint: expected outputs as float32, came ${tensor?.type ?? 'nothing'}`)
}
