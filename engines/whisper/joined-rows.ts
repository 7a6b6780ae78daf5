import type { Tensor } from 'onnxruntime-node'
import type { onnxRuntime } from '../onnx/runtime.ts'
import type { Step } from './decoder-run.ts'
import { emptyNumbers, type Numbers, numbersOf, numberTensor } from './values.ts'

/** First runs of parts of a batch, put together row by row. */
export class JoinedRows {
  readonly #rows: number
  readonly #past = new Map<string, { readonly data: Numbers; readonly dims: readonly number[] }>()
  readonly #attention = new Map<number, Float32Array>()
  #logits = new Float32Array(0)
  #first: Step | null = null
  #done = 0

  constructor(rows: number) {
    this.#rows = rows
  }

  add(step: Step, past: Readonly<Record<string, Tensor>>, rows: number): void {
    this.#first ??= step
    if (this.#done === 0) this.#logits = new Float32Array((step.logits.length / rows) * this.#rows)
    this.#logits.set(step.logits, (step.logits.length / rows) * this.#done)
    for (const [layer, weights] of step.attention) {
      const size = weights.length / rows
      const all = this.#attention.get(layer) ?? new Float32Array(size * this.#rows)
      all.set(weights, size * this.#done)
      this.#attention.set(layer, all)
    }
    for (const [name, tensor] of Object.entries(past)) {
      const numbers = numbersOf(tensor, name)
      const size = numbers.length / rows
      const type = numbers instanceof Uint16Array ? 'float16' : 'float32'
      const all = this.#past.get(name) ?? {
        data: emptyNumbers(type, size * this.#rows),
        dims: [this.#rows, ...tensor.dims.slice(1)],
      }
      all.data.set(numbers, size * this.#done)
      this.#past.set(name, all)
    }
    this.#done += rows
  }

  past(onnx: Awaited<ReturnType<typeof onnxRuntime>>): Record<string, Tensor> {
    return Object.fromEntries(
      [...this.#past].map(([name, { data, dims }]) => [name, numberTensor(onnx, data, dims)]),
    )
  }

  step(): Step {
    if (this.#first === null) throw new Error('a batch has rows')
    return { ...this.#first, logits: this.#logits, attention: this.#attention }
  }
}
