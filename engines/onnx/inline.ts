import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, UnknownField } from './graph.ts'
import { fieldNumber } from './wire-reader.ts'

export interface InlineOptions {
  /** Stands before every name that is not given below, so that two models share no name. */
  readonly prefix: string
  /** What the model's inputs are called outside. Those with a default value may be left out. */
  readonly inputs: Readonly<Record<string, string>>
  /** What its outputs are to be called; others have the prefix. */
  readonly outputs?: Readonly<Record<string, string>>
}

export interface InlinedGraph {
  /** For the graph, the subgraph or the body of the `Loop` that takes them. */
  readonly nodes: readonly OnnxNode[]
  /** For that graph or any graph around it. External data stay where they are: relative to the folder of the model's file. */
  readonly initializers: readonly OnnxTensor[]
  /** By the name that the model has for it. */
  readonly outputs: Readonly<Record<string, string>>
}

export class InlineError extends Error {
  override readonly name = 'InlineError'
}

/** ModelProto.functions, GraphProto.sparse_initializer. */
const FUNCTIONS = 25
const SPARSE_INITIALIZER = 15

/**
 * A model's nodes and weights under other names, to be placed in another graph. Its inputs become the given outer values; all
 * other names, those of subgraphs too, get the prefix. Both models need the same opsets (`mergedOpsets`). Hints on values
 * inside are left out, the runtime infers them again.
 */
export function inlineModel(model: OnnxModel, options: InlineOptions): InlinedGraph {
  const { graph } = model
  refuse(model.unknown, FUNCTIONS, 'functions of its own')
  const names = namesFor(graph, options)
  return {
    nodes: graph.nodes.map((node) => renamedNode(node, names)),
    initializers: renamedTensors(graph, names),
    outputs: Object.fromEntries(graph.outputs.map(({ name }) => [name, names.of(name)])),
  }
}

/** The versions of two models that become one. Throws where they differ: a node means what its version says. */
export function mergedOpsets(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  for (const [domain, version] of Object.entries(b)) {
    if (a[domain] !== undefined && a[domain] !== version)
      throw new InlineError(
        `The graphs use ${domain || 'ONNX'} in the versions ${a[domain]} and ${version}: both must be built for one`,
      )
  }
  return { ...a, ...b }
}

/** Every name in the nodes of a graph and of its subgraphs. */
export function namesIn(nodes: readonly OnnxNode[]): Set<string> {
  const names = new Set<string>()
  for (const node of nodes) {
    for (const name of [...node.inputs, ...node.outputs]) names.add(name)
    for (const graph of subgraphs(node)) {
      for (const { name } of [...graph.inputs, ...graph.outputs, ...graph.initializers]) names.add(name)
      for (const name of namesIn(graph.nodes)) names.add(name)
    }
  }
  names.delete('')
  return names
}

function subgraphs(node: OnnxNode): readonly OnnxGraph[] {
  return Object.values(node.attributes ?? {}).flatMap((attribute) => {
    if (attribute.kind === 'graph') return [attribute.value]
    return attribute.kind === 'graphs' ? attribute.value : []
  })
}

/** From names of the model to names outside. One map for all subgraphs: ONNX has no two names for one, and no shadows. */
class Names {
  readonly prefix: string
  readonly #inputs: ReadonlyMap<string, string>
  readonly #outputs: ReadonlyMap<string, string>

  constructor(prefix: string, inputs: ReadonlyMap<string, string>, outputs: ReadonlyMap<string, string>) {
    this.prefix = prefix
    this.#inputs = inputs
    this.#outputs = outputs
  }

  isInput(name: string): boolean {
    return this.#inputs.has(name)
  }

  of(name: string): string {
    return name === '' ? '' : (this.#inputs.get(name) ?? this.#outputs.get(name) ?? this.prefix + name)
  }
}

function namesFor(graph: OnnxGraph, { prefix, inputs, outputs = {} }: InlineOptions): Names {
  const defaults = new Set(graph.initializers.map(({ name }) => name))
  const asked = graph.inputs.map(({ name }) => name)
  const missing = asked.filter((name) => !Object.hasOwn(inputs, name) && !defaults.has(name))
  if (missing.length > 0)
    throw new InlineError(`The model ${graph.name} needs the inputs ${missing.join(', ')} as well`)
  checkNames(graph, 'input', Object.keys(inputs), asked)
  const made = graph.outputs.map(({ name }) => name).filter((name) => !Object.hasOwn(inputs, name))
  checkNames(graph, 'output of its own', Object.keys(outputs), made)
  return new Names(prefix, new Map(Object.entries(inputs)), new Map(Object.entries(outputs)))
}

function checkNames(graph: OnnxGraph, what: string, given: readonly string[], has: readonly string[]): void {
  const strange = given.filter((name) => !has.includes(name))
  if (strange.length > 0)
    throw new InlineError(
      `The model ${graph.name} has no ${what} ${strange.join(', ')}: it has ${has.join(', ')}`,
    )
}

function renamedNode(node: OnnxNode, names: Names): OnnxNode {
  const attributes = Object.entries(node.attributes ?? {})
  return {
    ...node,
    inputs: node.inputs.map((name) => names.of(name)),
    outputs: node.outputs.map((name) => names.of(name)),
    ...(node.name ? { name: names.prefix + node.name } : {}),
    ...(attributes.length > 0
      ? {
          attributes: Object.fromEntries(
            attributes.map(([key, value]) => [key, renamedAttribute(value, names)]),
          ),
        }
      : {}),
  }
}

function renamedAttribute(attribute: OnnxAttribute, names: Names): OnnxAttribute {
  if (attribute.kind === 'graph') return { ...attribute, value: renamedGraph(attribute.value, names) }
  if (attribute.kind === 'graphs')
    return { ...attribute, value: attribute.value.map((graph) => renamedGraph(graph, names)) }
  return attribute
}

function renamedGraph(graph: OnnxGraph, names: Names): OnnxGraph {
  const { values: _hints, unknown: _annotations, ...rest } = graph
  return {
    ...rest,
    inputs: graph.inputs.map((value) => ({ ...value, name: names.of(value.name) })),
    outputs: graph.outputs.map((value) => ({ ...value, name: names.of(value.name) })),
    initializers: renamedTensors(graph, names),
    nodes: graph.nodes.map((node) => renamedNode(node, names)),
  }
}

/** An initializer that is an input as well is its default: where the input is given it falls away. */
function renamedTensors(graph: OnnxGraph, names: Names): OnnxTensor[] {
  refuse(graph.unknown, SPARSE_INITIALIZER, 'sparse weights')
  return graph.initializers
    .filter(({ name }) => !names.isInput(name))
    .map((tensor) => ({ ...tensor, name: names.of(tensor.name) }))
}

function refuse(fields: readonly UnknownField[] | undefined, field: number, what: string): void {
  if (fields?.some((bytes) => fieldNumber(bytes) === field))
    throw new InlineError(`The model has ${what}: it cannot become part of another`)
}
