import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor } from '#engines/onnx/graph.ts'
import { ELEMENT_TYPES } from '#engines/onnx/graph.ts'
import { float16 } from '#engines/onnx/tensors.ts'

/** What a half float holds, with room for sums: the published conversion's limits. */
const LEAST = 1e-7
const MOST = 1e4

/**
 * A model of floats as one of half floats. `outside`: what it takes and gives. The published files keep float32 there, by
 * casts that stand before and behind everything else.
 */
export function inHalfFloats(model: OnnxModel, outside: 'float32' | 'float16'): OnnxModel {
  const graph = halved(model.graph)
  return { ...model, graph: outside === 'float16' ? graph : castOutside(graph, model.graph) }
}

function halved(graph: OnnxGraph): OnnxGraph {
  return {
    ...graph,
    inputs: graph.inputs.map(halfTyped),
    outputs: graph.outputs.map(halfTyped),
    initializers: graph.initializers.map(halfTensor),
    nodes: graph.nodes.map(halfNode),
  }
}

function halfTyped<Value extends { readonly type?: string }>(value: Value): Value {
  return value.type === 'float32' ? { ...value, type: 'float16' } : value
}

function halfTensor(tensor: OnnxTensor): OnnxTensor {
  if (tensor.type !== 'float32' || !(tensor.data instanceof Uint8Array)) return tensor
  const numbers = new Float32Array(Uint8Array.from(tensor.data).buffer)
  return float16(tensor.name, tensor.shape, numbers.map(held))
}

function held(value: number): number {
  if (value === 0) return value
  return Math.sign(value) * Math.min(MOST, Math.max(LEAST, Math.abs(value)))
}

function halfNode(node: OnnxNode): OnnxNode {
  const { operator, attributes = {} } = node
  const changed = Object.entries(attributes).map(([name, attribute]) => [
    name,
    halfAttribute(operator, attribute),
  ])
  // Without a value it is zeros of float32.
  if (operator === 'ConstantOfShape' && attributes.value === undefined)
    changed.push(['value', { kind: 'tensor', value: float16('', [1], [0]) }])
  return changed.length === 0 ? node : { ...node, attributes: Object.fromEntries(changed) }
}

function halfAttribute(operator: string, attribute: OnnxAttribute): OnnxAttribute {
  if (attribute.kind === 'graph') return { ...attribute, value: halved(attribute.value) }
  if (attribute.kind === 'tensor') return { ...attribute, value: halfTensor(attribute.value) }
  const isFloat = attribute.kind === 'int' && attribute.value === ELEMENT_TYPES.float32.code
  return operator === 'Cast' && isFloat ? { ...attribute, value: ELEMENT_TYPES.float16.code } : attribute
}

/** As `before` on the outside: names that meant floats mean half floats inside. */
function castOutside(graph: OnnxGraph, before: OnnxGraph): OnnxGraph {
  const floats = [...before.inputs, ...before.outputs].filter(({ type }) => type === 'float32')
  const inside = new Map(floats.map(({ name }) => [name, `${name}_fp16`]))
  const cast = (from: string, to: string, type: 'float32' | 'float16'): OnnxNode => ({
    operator: 'Cast',
    inputs: [from],
    outputs: [to],
    attributes: { to: { kind: 'int', value: ELEMENT_TYPES[type].code } },
  })
  const isFloat = ({ name }: { readonly name: string }) => inside.has(name)
  const half = (name: string) => inside.get(name) ?? name
  return {
    ...graph,
    inputs: before.inputs,
    outputs: before.outputs,
    nodes: [
      ...before.inputs.filter(isFloat).map(({ name }) => cast(name, half(name), 'float16')),
      ...graph.nodes.map((node) => renamed(node, half)),
      ...before.outputs.filter(isFloat).map(({ name }) => cast(half(name), name, 'float32')),
    ],
  }
}

function renamed(node: OnnxNode, nameOf: (name: string) => string): OnnxNode {
  const attributes = Object.entries(node.attributes ?? {}).map(([key, attribute]) => {
    if (attribute.kind !== 'graph') return [key, attribute]
    const { value } = attribute
    const outputs = value.outputs.map((output) => ({ ...output, name: nameOf(output.name) }))
    const nodes = value.nodes.map((inner) => renamed(inner, nameOf))
    return [key, { ...attribute, value: { ...value, outputs, nodes } }]
  })
  const changed = { ...node, inputs: node.inputs.map(nameOf), outputs: node.outputs.map(nameOf) }
  return attributes.length === 0 ? changed : { ...changed, attributes: Object.fromEntries(attributes) }
}
