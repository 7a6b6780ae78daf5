import type { OnnxAttribute, OnnxGraph, OnnxNode, OnnxTensor, OnnxValue, UnknownField } from './graph.ts'
import { readTensor } from './tensor-reader.ts'
import { readValue } from './value-reader.ts'
import { fieldNumber, type WireReader } from './wire-reader.ts'

/** Field numbers here are those of onnx.proto3. */
export function readGraph(reader: WireReader): OnnxGraph {
  const nodes: OnnxNode[] = []
  const initializers: OnnxTensor[] = []
  const inputs: OnnxValue[] = []
  const outputs: OnnxValue[] = []
  const values: OnnxValue[] = []
  let name = ''
  const unknown = reader.fields({
    1: () => nodes.push(readNode(reader.message(`node[${nodes.length}]`))),
    2: () => {
      name = reader.text('name')
    },
    5: () => initializers.push(readTensor(reader.message(`initializer[${initializers.length}]`))),
    11: () => inputs.push(readValue(reader.message(`input[${inputs.length}]`))),
    12: () => outputs.push(readValue(reader.message(`output[${outputs.length}]`))),
    13: () => values.push(readValue(reader.message(`value_info[${values.length}]`))),
  })
  return {
    name,
    inputs,
    outputs,
    initializers,
    nodes,
    ...(values.length > 0 ? { values } : {}),
    ...kept(unknown),
  }
}

function readNode(reader: WireReader): OnnxNode {
  const inputs: string[] = []
  const outputs: string[] = []
  const attributes = new Map<string, OnnxAttribute>()
  let name = ''
  let operator = ''
  let domain = ''
  const unknown = reader.fields({
    1: () => inputs.push(reader.text('input')),
    2: () => outputs.push(reader.text('output')),
    3: () => {
      name = reader.text('name')
    },
    4: () => {
      operator = reader.text('op_type')
    },
    5: () => readAttribute(reader.message(`attribute[${attributes.size}]`), attributes),
    7: () => {
      domain = reader.text('domain')
    },
  })
  if (operator === '') reader.fail('expected an operator')
  return {
    operator,
    inputs,
    outputs,
    ...(name === '' ? {} : { name }),
    ...(domain === '' ? {} : { domain }),
    ...(attributes.size === 0 ? {} : { attributes: Object.fromEntries(attributes) }),
    ...kept(unknown),
  }
}

function readAttribute(reader: WireReader, into: Map<string, OnnxAttribute>): void {
  let name = ''
  let type = 0
  const held: Held = { floats: [], ints: [], strings: [], tensors: [], graphs: [] }
  const seen = new Set<number>()
  const holding = (field: number, read: () => void) => () => {
    seen.add(field)
    read()
  }
  const unknown = reader.fields({
    1: () => {
      name = reader.text('name')
    },
    20: () => {
      type = reader.count('type')
    },
    2: holding(2, () => held.floats.push(reader.float('f'))),
    3: holding(3, () => held.ints.push(reader.integer('i'))),
    4: holding(4, () => held.strings.push(reader.textOrBytes('s'))),
    5: holding(5, () => held.tensors.push(readTensor(reader.message('t')))),
    6: holding(6, () => held.graphs.push(readGraph(reader.message('g')))),
    7: holding(7, () => reader.floats('floats', held.floats)),
    8: holding(8, () => reader.integers('ints', held.ints)),
    9: holding(9, () => held.strings.push(reader.textOrBytes('strings'))),
    10: holding(10, () => held.tensors.push(readTensor(reader.message('tensors')))),
    11: holding(11, () => held.graphs.push(readGraph(reader.message('graphs')))),
  })
  if (name === '') reader.fail('expected a name')
  if (into.has(name)) reader.fail(`found the attribute ${name} twice`)
  const isReference = unknown.some((field) => fieldNumber(field) === REFERENCE)
  const field = isReference ? undefined : FIELD_OF_TYPE[type]
  const strange = [...seen].find((one) => one !== field)
  if (strange !== undefined) reader.fail(`${name} has the type ${type} and a value in field ${strange}`)
  const value = field === undefined ? ({ kind: 'other', type } as const) : heldBy(field, held)
  into.set(name, { ...(value ?? reader.fail(`${name} has no value`)), ...kept(unknown) })
}

interface Held {
  readonly floats: number[]
  readonly ints: (number | bigint)[]
  readonly strings: (string | Uint8Array)[]
  readonly tensors: OnnxTensor[]
  readonly graphs: OnnxGraph[]
}

/** The field that holds the value, by AttributeProto.AttributeType. */
const FIELD_OF_TYPE: Readonly<Record<number, number>> = {
  1: 2,
  2: 3,
  3: 4,
  4: 5,
  5: 6,
  6: 7,
  7: 8,
  8: 9,
  9: 10,
  10: 11,
}

/** `ref_attr_name`: the value is an attribute of the function around the node. */
const REFERENCE = 21

/** A zero or an empty string may be left out of the file; a tensor or a graph may not. */
function heldBy(field: number, { floats, ints, strings, tensors, graphs }: Held): OnnxAttribute | null {
  const tensor = tensors.at(-1)
  const graph = graphs.at(-1)
  switch (field) {
    case 2:
      return { kind: 'float', value: floats.at(-1) ?? 0 }
    case 3:
      return { kind: 'int', value: ints.at(-1) ?? 0 }
    case 4:
      return { kind: 'string', value: strings.at(-1) ?? '' }
    case 5:
      return tensor === undefined ? null : { kind: 'tensor', value: tensor }
    case 6:
      return graph === undefined ? null : { kind: 'graph', value: graph }
    case 7:
      return { kind: 'floats', value: floats }
    case 8:
      return { kind: 'ints', value: ints }
    case 9:
      return { kind: 'strings', value: strings }
    case 10:
      return { kind: 'tensors', value: tensors }
    default:
      return { kind: 'graphs', value: graphs }
  }
}

function kept(unknown: readonly UnknownField[]): { readonly unknown?: readonly UnknownField[] } {
  return unknown.length > 0 ? { unknown } : {}
}
