import type { OnnxModel, OnnxNode } from '#engines/onnx/graph.ts'
import { decodeModel } from '#engines/onnx/read-model.ts'
import { float32 } from '#engines/onnx/tensors.ts'
import { encodeModel } from '#engines/onnx/write-model.ts'

/** Networks that run, and say something else than their folder promises. */

/** NaN, whatever is heard: an export that overflowed when its weights were made 16 bits. */
export function alwaysNaN(network: Uint8Array, output: string): Uint8Array {
  return behind(network, output, (before) => [
    node('Sub', [before, before], 'zero'),
    node('Div', ['zero', 'zero'], output),
  ])
}

/** NaN for whatever is above a limit. */
export function nanAbove(network: Uint8Array, output: string, limit: number): Uint8Array {
  return behind(
    network,
    output,
    (before) => [
      node('Sub', ['the limit', before], 'room'),
      node('Sqrt', ['room'], 'root'),
      node('Sub', ['root', 'root'], 'nothing'),
      node('Add', [before, 'nothing'], output),
    ],
    limit,
  )
}

/** The same through one more operator, such as `Exp`. */
export function through(network: Uint8Array, output: string, operator: string): Uint8Array {
  return behind(network, output, (before) => [node(operator, [before], output)])
}

/** With an input or output whose sizes it does not state. */
export function unsized(network: Uint8Array, name: string): Uint8Array {
  const model = decodeModel(network)
  const without = <Port extends { name: string; shape?: readonly (number | string)[] }>(port: Port): Port =>
    port.name === name ? { ...port, shape: port.shape?.map((_, axis) => `${name}_${axis}`) } : port
  const { inputs, outputs } = model.graph
  const graph = { ...model.graph, inputs: inputs.map(without), outputs: outputs.map(without) }
  return encodeModel({ ...model, graph })
}

/** Takes nothing but inputs of these sizes. */
export function fixed(network: Uint8Array, input: string, shape: readonly number[]): Uint8Array {
  const model = decodeModel(network)
  const inputs = model.graph.inputs.map((port) => (port.name === input ? { ...port, shape } : port))
  return encodeModel({ ...model, graph: { ...model.graph, inputs } })
}

function behind(
  network: Uint8Array,
  output: string,
  nodes: (before: string) => OnnxNode[],
  limit: number | null = null,
): Uint8Array {
  const model: OnnxModel = decodeModel(network)
  const before = `${output}_before`
  const renamed = model.graph.nodes.map((one) => ({
    ...one,
    outputs: one.outputs.map((name) => (name === output ? before : name)),
  }))
  const graph = {
    ...model.graph,
    nodes: [...renamed, ...nodes(before)],
    initializers: [
      ...model.graph.initializers,
      ...(limit === null ? [] : [float32('the limit', [1], [limit])]),
    ],
  }
  return encodeModel({ ...model, graph })
}

function node(operator: string, inputs: readonly string[], output: string): OnnxNode {
  return { operator, inputs, outputs: [output] }
}
