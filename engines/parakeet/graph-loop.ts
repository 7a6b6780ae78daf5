import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { notNumbers } from '../onnx/not-numbers.ts'
import { onnxRuntime } from '../onnx/runtime.ts'
import type { Emission, Encoded } from './emission.ts'
import { running } from './failures.ts'
import type { GreedySearch } from './greedy-search.ts'

/**
 * Rounds of the loop in one call. A round of a model with 8,193 tokens and 16 items takes about 3 ms on a core, so a cancel
 * is seen within half a second; the calls themselves cost nothing against that.
 */
const ROUNDS_A_CALL = 128

/** What the loop must know of its model. */
export interface LoopModel {
  readonly blank: number
  readonly layers: number
  readonly hidden: number
}

/** Greedy search over a whole batch in the graph that `loop-graph.ts` builds. */
export class GraphLoop implements GreedySearch {
  readonly #session: InferenceSession
  readonly #model: LoopModel
  readonly #roundsACall: number

  constructor(session: InferenceSession, model: LoopModel, roundsACall = ROUNDS_A_CALL) {
    this.#session = session
    this.#model = model
    this.#roundsACall = roundsACall
  }

  async search(encoded: Encoded, between: () => Promise<void>): Promise<Emission[][]> {
    const { Tensor } = await onnxRuntime()
    const { items, channels, frames } = encoded
    const { layers, hidden, blank } = this.#model
    const found: Emission[][] = Array.from({ length: items }, () => [])
    const lengths = BigInt64Array.from(encoded.lengths, BigInt)
    if (lengths.every((length) => length <= 0n)) return found
    const whole = (value: bigint) => new Tensor('int64', new BigInt64Array(items).fill(value), [items])
    const states = () =>
      new Tensor('float32', new Float32Array(layers * items * hidden), [layers, items, hidden])
    const fixed = {
      encoder_outputs: new Tensor('float32', encoded.data, [items, channels, frames]),
      lengths: new Tensor('int64', lengths, [items]),
      steps: new Tensor('int64', BigInt64Array.of(BigInt(this.#roundsACall)), []),
    }
    let carried: Carried = {
      frame: whole(0n),
      written: whole(0n),
      last: whole(BigInt(blank)),
      states_1: states(),
      states_2: states(),
    }
    for (;;) {
      await between()
      const feeds = { ...fixed, ...carried }
      const said = await running('the search', () => this.#session.run(feeds))
      collect(said, lengths, found)
      const frame = taken(said, 'next_frame')
      carried = {
        frame,
        written: taken(said, 'next_written'),
        last: taken(said, 'next_last'),
        states_1: taken(said, 'next_states_1'),
        states_2: taken(said, 'next_states_2'),
      }
      if (wholes(frame).every((at, item) => at >= (lengths[item] ?? 0n))) return found
    }
  }

  release(): Promise<void> {
    return this.#session.release()
  }
}

interface Carried {
  readonly [input: string]: Tensor
}

function collect(said: InferenceSession.OnnxValueMapType, lengths: BigInt64Array, into: Emission[][]): void {
  const items = lengths.length
  const tokens = wholes(taken(said, 'tokens'))
  const frames = wholes(taken(said, 'frames'))
  const durations = wholes(taken(said, 'durations'))
  const probabilities = taken(said, 'probabilities').data
  for (const [index, token] of tokens.entries()) {
    const isActive = (frames[index] ?? 0n) < (lengths[index % items] ?? 0n)
    if (isActive && Number.isNaN(Number(probabilities[index]))) throw notNumbers('decoder_joint', 'outputs')
    if (token < 0n) continue
    into[index % items]?.push({
      token: Number(token),
      frame: Number(frames[index]),
      frames: Number(durations[index]),
      probability: Number(probabilities[index]),
    })
  }
}

function wholes(tensor: Tensor): BigInt64Array {
  if (tensor.data instanceof BigInt64Array) return tensor.data
  throw new TypeError(`The loop: expected int64, came ${tensor.type}`)
}

function taken(said: InferenceSession.OnnxValueMapType, name: string): Tensor {
  const value = said[name]
  if (value === undefined) throw new TypeError(`The loop gave no ${name}`)
  return value
}
