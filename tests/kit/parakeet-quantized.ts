import type { OnnxModel, OnnxNode, OnnxTensor } from '#engines/onnx/graph.ts'
import { float32, int8 } from '#engines/onnx/tensors.ts'

/**
 * A model as ONNX Runtime's dynamic quantisation leaves it (`quantize_dynamic`): int8 weights, LSTMs as DynamicQuantizeLSTM,
 * matrix products as MatMulInteger of activations that are quantised as they come, embeddings as int8 rows.
 */
export function quantized(model: OnnxModel): OnnxModel {
  const weights = new Map(model.graph.initializers.map((tensor) => [tensor.name, tensor]))
  const nodes = model.graph.nodes.flatMap((node) => quantizedNode(node, weights))
  const graph = { ...model.graph, nodes, initializers: [...weights.values()] }
  return { ...model, opsets: { ...model.opsets, 'com.microsoft': 1 }, graph }
}

function quantizedNode(node: OnnxNode, weights: Map<string, OnnxTensor>): OnnxNode[] {
  const [first = '', second = ''] = node.inputs
  const [output = ''] = node.outputs
  if (node.operator === 'MatMul' && weights.has(second)) {
    quantizeWeight(second, weights)
    const [q, scale, zero, whole, real, factor] = ['q', 'scale', 'zero', 'whole', 'real', 'factor'].map(
      (what) => `${output}_${what}`,
    )
    const name = (value: string | undefined) => value ?? ''
    return [
      { operator: 'DynamicQuantizeLinear', inputs: [first], outputs: [name(q), name(scale), name(zero)] },
      {
        operator: 'MatMulInteger',
        inputs: [name(q), `${second}_int8`, name(zero), `${second}_zero`],
        outputs: [name(whole)],
      },
      {
        operator: 'Cast',
        inputs: [name(whole)],
        outputs: [name(real)],
        attributes: { to: { kind: 'int', value: 1 } },
      },
      { operator: 'Mul', inputs: [name(scale), `${second}_scale`], outputs: [name(factor)] },
      { operator: 'Mul', inputs: [name(real), name(factor)], outputs: [output] },
    ]
  }
  if (node.operator === 'Gather' && weights.has(first)) {
    quantizeWeight(first, weights)
    const rows = `${output}_rows`
    return [
      { ...node, inputs: [`${first}_int8`, second], outputs: [rows] },
      {
        operator: 'DequantizeLinear',
        inputs: [rows, `${first}_scale`, `${first}_zero`],
        outputs: [output],
      },
    ]
  }
  if (node.operator === 'LSTM') {
    const [, input = '', recurrent = '', ...rest] = node.inputs
    for (const name of [input, recurrent]) quantizeWeight(name, weights, true)
    const scales = [`${input}_scale`, `${input}_zero`, `${recurrent}_scale`, `${recurrent}_zero`]
    const inputs = [first, `${input}_int8`, `${recurrent}_int8`, ...rest, '', ...scales]
    return [{ ...node, operator: 'DynamicQuantizeLSTM', domain: 'com.microsoft', inputs }]
  }
  return [node]
}

/** One scale for the whole tensor, no zero point. An LSTM's weights are turned and have a scale a direction. */
function quantizeWeight(name: string, weights: Map<string, OnnxTensor>, isLstm = false): void {
  const tensor = weights.get(name)
  if (!(tensor?.data instanceof Uint8Array)) throw new Error(`${name} has no weights`)
  // Read from a file, it may lie at any byte.
  const values = new Float32Array(Uint8Array.from(tensor.data).buffer)
  const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
  const whole = Int8Array.from(values, (value) => Math.round(value / scale))
  const [directions = 1, rows = 0, columns = 0] = tensor.shape
  const turned = isLstm ? transposed(whole, rows, columns) : whole
  const shape = isLstm ? [directions, columns, rows] : tensor.shape
  weights.delete(name)
  weights.set(`${name}_int8`, int8(`${name}_int8`, shape, turned))
  weights.set(`${name}_scale`, float32(`${name}_scale`, isLstm ? [1] : [], [scale]))
  weights.set(`${name}_zero`, int8(`${name}_zero`, isLstm ? [1] : [], [0]))
}

function transposed(values: Int8Array, rows: number, columns: number): Int8Array {
  return Int8Array.from(
    { length: values.length },
    (_, at) => values[(at % rows) * columns + Math.floor(at / rows)] ?? 0,
  )
}
