import {
  ELEMENT_TYPES,
  type ExternalData,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
  type UnknownField,
} from './graph.ts'
import type { WireWriter } from './wire-writer.ts'

/** Each tensor as it is to be written. */
export type Placing = (tensor: OnnxTensor) => OnnxTensor

/** The oldest IR version that knows each opset (onnx/docs/Versioning.md). */
const IR_VERSIONS = [
  { fromOpset: 23, irVersion: 11 },
  { fromOpset: 21, irVersion: 10 },
  { fromOpset: 19, irVersion: 9 },
  { fromOpset: 0, irVersion: 8 },
]

/** Field numbers here and below are those of onnx.proto3. */
export function writeModel(writer: WireWriter, model: OnnxModel, place: Placing): void {
  writer.integer(1, model.irVersion ?? irVersionOf(model.opsets[''] ?? 0))
  writer.text(2, model.producer?.name ?? 'dalston')
  if (model.producer?.version) writer.text(3, model.producer.version)
  writer.message(7, (graph) => writeGraph(graph, model.graph, place))
  for (const [domain, version] of Object.entries(model.opsets)) {
    writer.message(8, (opset) => {
      opset.text(1, domain)
      opset.integer(2, version)
    })
  }
  for (const [key, value] of Object.entries(model.metadata ?? {})) writeEntry(writer, 14, key, value)
  writeUnknown(writer, model.unknown)
}

function irVersionOf(opset: number): number {
  return IR_VERSIONS.find(({ fromOpset }) => opset >= fromOpset)?.irVersion ?? 8
}

function writeGraph(writer: WireWriter, graph: OnnxGraph, place: Placing): void {
  for (const node of graph.nodes) writer.message(1, (message) => writeNode(message, node, place))
  writer.text(2, graph.name)
  for (const tensor of graph.initializers) writer.message(5, (message) => writeTensor(message, tensor, place))
  for (const value of graph.inputs) writer.message(11, (message) => writeValue(message, value))
  for (const value of graph.outputs) writer.message(12, (message) => writeValue(message, value))
  for (const value of graph.values ?? []) writer.message(13, (message) => writeValue(message, value))
  writeUnknown(writer, graph.unknown)
}

function writeNode(writer: WireWriter, node: OnnxNode, place: Placing): void {
  for (const name of node.inputs) writer.text(1, name)
  for (const name of node.outputs) writer.text(2, name)
  if (node.name) writer.text(3, node.name)
  writer.text(4, node.operator)
  for (const [name, attribute] of Object.entries(node.attributes ?? {}))
    writer.message(5, (message) => writeAttribute(message, name, attribute, place))
  if (node.domain) writer.text(7, node.domain)
  writeUnknown(writer, node.unknown)
}

function writeAttribute(writer: WireWriter, name: string, attribute: OnnxAttribute, place: Placing): void {
  writer.text(1, name)
  writer.integer(20, attribute.kind === 'other' ? attribute.type : ATTRIBUTE_CODES[attribute.kind])
  switch (attribute.kind) {
    case 'float':
      writer.float(2, attribute.value)
      break
    case 'int':
      writer.integer(3, attribute.value)
      break
    case 'string':
      writeString(writer, 4, attribute.value)
      break
    case 'tensor':
      writer.message(5, (message) => writeTensor(message, attribute.value, place))
      break
    case 'graph':
      writer.message(6, (message) => writeGraph(message, attribute.value, place))
      break
    case 'floats':
      for (const value of attribute.value) writer.float(7, value)
      break
    case 'ints':
      for (const value of attribute.value) writer.integer(8, value)
      break
    case 'strings':
      for (const value of attribute.value) writeString(writer, 9, value)
      break
    case 'tensors':
      for (const value of attribute.value) writer.message(10, (message) => writeTensor(message, value, place))
      break
    case 'graphs':
      for (const value of attribute.value) writer.message(11, (message) => writeGraph(message, value, place))
      break
    case 'other':
      break
  }
  writeUnknown(writer, attribute.unknown)
}

/** AttributeProto.AttributeType. */
export const ATTRIBUTE_CODES = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
} as const

function writeString(writer: WireWriter, field: number, value: string | Uint8Array): void {
  if (typeof value === 'string') writer.text(field, value)
  else writer.bytes(field, value)
}

function writeTensor(writer: WireWriter, original: OnnxTensor, place: Placing): void {
  const tensor = place(original)
  writer.integers(1, tensor.shape)
  writer.integer(2, ELEMENT_TYPES[tensor.type].code)
  if (tensor.name !== '') writer.text(8, tensor.name)
  const { data } = tensor
  if (data instanceof Uint8Array) writer.bytes(9, data)
  else if ('strings' in data) for (const value of data.strings) writer.bytes(6, value)
  else writeExternal(writer, data)
  writeUnknown(writer, tensor.unknown)
}

const EXTERNAL = 1

function writeExternal(writer: WireWriter, data: ExternalData): void {
  writeEntry(writer, 13, 'location', data.location)
  if (data.offset !== 0) writeEntry(writer, 13, 'offset', String(data.offset))
  if (data.length !== null) writeEntry(writer, 13, 'length', String(data.length))
  for (const [key, value] of Object.entries(data.more ?? {})) writeEntry(writer, 13, key, value)
  writer.integer(14, EXTERNAL)
}

function writeValue(writer: WireWriter, value: OnnxValue): void {
  writer.text(1, value.name)
  const { type, shape } = value
  if (type !== undefined)
    writer.message(2, (holder) => {
      holder.message(1, (tensorType) => {
        tensorType.integer(1, ELEMENT_TYPES[type].code)
        if (shape !== undefined) writeShape(tensorType, shape)
      })
    })
  writeUnknown(writer, value.unknown)
}

function writeShape(writer: WireWriter, shape: readonly (number | string)[]): void {
  writer.message(2, (sizes) => {
    for (const size of shape)
      sizes.message(1, (message) => {
        if (typeof size === 'number') message.integer(1, size)
        else if (size !== '') message.text(2, size)
      })
  })
}

function writeEntry(writer: WireWriter, field: number, key: string, value: string): void {
  writer.message(field, (entry) => {
    entry.text(1, key)
    entry.text(2, value)
  })
}

function writeUnknown(writer: WireWriter, fields: readonly UnknownField[] | undefined): void {
  for (const field of fields ?? []) writer.raw(field)
}
