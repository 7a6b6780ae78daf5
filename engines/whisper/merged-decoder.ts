import type { OnnxGraph, OnnxModel, OnnxNode } from '../onnx/graph.ts'

/** One of the two networks in a merged decoder, as a model that takes inputs and weights from around it. */
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
 * Takes a merged decoder of the public exports apart: one `If` over `use_cache_branch`, weights around it, and at most such
 * nodes before and behind it as change types or names. Null for one that is built otherwise. Pure.
 */
export function splitMerged(model: OnnxModel): MergedDecoder | null {
  const { graph } = model
  const [choice, ...more] = graph.nodes.filter(hasGraphs)
  if (choice?.operator !== 'If' || more.length > 0 || choice.inputs[0] !== CONDITION) return null
  const [next, first] = [subgraph(choice, 'then_branch'), subgraph(choice, 'else_branch')]
  if (next === null || first === null) return null
  const around = [...new Set([...graph.inputs, ...graph.initializers].map(({ name }) => name))]
  return {
    first: branchOf(model, choice, first, around),
    next: branchOf(model, choice, next, around),
    around,
  }
}

/** The whole graph with one of its branches in the place of the choice. */
function branchOf(model: OnnxModel, choice: OnnxNode, inside: OnnxGraph, around: readonly string[]): Branch {
  const { graph } = model
  const renamings = new Map(
    graph.nodes.filter(isRenaming).map(({ inputs, outputs }) => [outputs[0] ?? '', inputs[0] ?? '']),
  )
  const made = new Map(choice.outputs.map((name, place) => [name, inside.outputs[place]?.name ?? '']))
  const source = (name: string): string => {
    const before = renamings.get(name)
    return before === undefined ? (made.get(name) ?? name) : source(before)
  }
  const nodes = graph.nodes.flatMap((node) => {
    if (node === choice) return inside.nodes
    return isRenaming(node) ? [] : [{ ...node, inputs: node.inputs.map(source) }]
  })
  const outputs = graph.outputs.map((output) => ({ ...output, name: source(output.name) }))
  const inputs = around.map((name) => ({ name }))
  return { model: { ...model, graph: { ...inside, inputs, outputs, nodes } }, outputOf: source }
}

function hasGraphs({ attributes = {} }: OnnxNode): boolean {
  return Object.values(attributes).some(({ kind }) => kind === 'graph' || kind === 'graphs')
}

function isRenaming({ operator }: OnnxNode): boolean {
  return operator === 'Identity'
}

function subgraph(node: OnnxNode, name: string): OnnxGraph | null {
  const attribute = node.attributes?.[name]
  return attribute?.kind === 'graph' ? attribute.value : null
}
