import type { OnnxGraph, OnnxModel, OnnxNode } from '../onnx/graph.ts'

/** One of the two networks in a merged decoder, as a model that takes all that stands around it as inputs. */
export interface Branch {
  readonly model: OnnxModel
  /** What the branch calls an output of the merged decoder. */
  outputOf(name: string): string
}

export interface MergedDecoder {
  /** Reads a prefix. */
  readonly first: Branch
  /** Reads a token behind what was read. */
  readonly next: Branch
  /** Inputs and weights, which both may use. */
  readonly around: readonly string[]
}

const CONDITION = 'use_cache_branch'

/**
 * Takes a merged decoder of the public exports apart: one `If` over `use_cache_branch`, weights around it, and nothing else
 * but renaming. Null for one that is built otherwise. Pure.
 */
export function splitMerged(model: OnnxModel): MergedDecoder | null {
  const { graph } = model
  const [choice, ...more] = graph.nodes.filter(({ operator }) => operator === 'If')
  if (choice === undefined || more.length > 0 || choice.inputs[0] !== CONDITION) return null
  if (graph.nodes.some((node) => node !== choice && node.operator !== 'Identity')) return null
  const [next, first] = [subgraph(choice, 'then_branch'), subgraph(choice, 'else_branch')]
  if (next === null || first === null) return null
  const places = new Map<string, number>()
  for (const { name } of graph.outputs) {
    const place = choice.outputs.indexOf(source(graph, name))
    if (place === -1) return null
    places.set(name, place)
  }
  const around = [...new Set([...graph.inputs, ...graph.initializers].map(({ name }) => name))]
  const branch = (inside: OnnxGraph): Branch => ({
    model: { ...model, graph: { ...inside, inputs: around.map((name) => ({ name })) } },
    outputOf: (name) => inside.outputs[places.get(name) ?? -1]?.name ?? '',
  })
  return { first: branch(first), next: branch(next), around }
}

function subgraph(node: OnnxNode, name: string): OnnxGraph | null {
  const attribute = node.attributes?.[name]
  return attribute?.kind === 'graph' ? attribute.value : null
}

/** What an output is called where it was made. */
function source(graph: OnnxGraph, name: string): string {
  const renaming = graph.nodes.find(({ operator, outputs }) => operator === 'Identity' && outputs[0] === name)
  return renaming === undefined ? name : source(graph, renaming.inputs[0] ?? '')
}
