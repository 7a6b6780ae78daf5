import type {
  ElementType,
  OnnxAttribute,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
  OnnxValue,
} from './graph.ts'
import { GraphScope } from './graph-scope.ts'
import { type InlineOptions, inlineModel, namesIn } from './inline.ts'
import { bool, float32, int64 } from './tensors.ts'

/** A value of the graph, by its name. '' is an optional input left out. */
export type Value = string

/** A number must be whole, since 1 may be meant as 1.0: that is `float(1)`. */
export type Attribute = OnnxAttribute | number | string | readonly number[]

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>
  /** '' is ONNX's own. */
  readonly domain?: string
  /** What the output is called, with a number where that is taken. Left out: as the operator. */
  readonly as?: string
}

/** As many values as there are in `Many`. */
export type Values<Many extends readonly unknown[]> = { readonly [Index in keyof Many]: Value }

export interface LoopStart<Carried extends readonly Value[]> {
  /** int64: how many rounds at most. */
  readonly trips?: Value
  /** bool: whether there is a first round. */
  readonly condition?: Value
  readonly carried: Carried
}

export interface LoopRound<Carried extends readonly Value[]> {
  /** int64, from 0. */
  readonly iteration: Value
  readonly carried: Values<Carried>
}

export interface LoopStep<Carried extends readonly Value[], Scanned extends readonly Value[]> {
  /** bool: whether there is a next round. Left out: until the trips are done. */
  readonly condition?: Value
  readonly carried: Values<Carried>
  /** Gathered over all rounds on a new first axis. */
  readonly scanned?: Scanned
}

/** Starts a model; an inlined model adds the opsets that it brings. */
export function graphBuilder(
  name: string,
  opsets: Readonly<Record<string, number>> = { '': 17 },
): GraphBuilder {
  return new GraphBuilder(name, new GraphScope(opsets))
}

/**
 * A graph in the making. Subgraphs are built by callbacks; they see every value of the graphs around them. Their constants
 * are initializers of the outermost graph, so a loop holds them once.
 */
export class GraphBuilder {
  readonly #name: string
  readonly #scope: GraphScope
  readonly #nodes: OnnxNode[] = []
  readonly #inputs: OnnxValue[] = []
  readonly #outputs: OnnxValue[] = []
  readonly #declared = new Map<Value, Omit<OnnxValue, 'name'>>()
  /** Made by a node of this graph, and no output of it yet. */
  readonly #free = new Set<Value>()

  constructor(name: string, scope: GraphScope) {
    this.#name = name
    this.#scope = scope
  }

  /** The version of ONNX's own operators. */
  get opset(): number {
    return this.#scope.opsets[''] ?? 0
  }

  input(name: string, type: ElementType, shape: readonly (number | string)[]): Value {
    this.#inputs.push({ name: this.#scope.claim(name), type, shape })
    return name
  }

  output(name: string, value: Value, type: ElementType, shape: readonly (number | string)[]): void {
    const isNamed = value === name && this.#free.delete(value)
    if (!isNamed) this.#add('Identity', [value], [this.#scope.claim(name)])
    this.#outputs.push({ name, type, shape })
  }

  /** Adds a node with one output. */
  node(operator: string, inputs: readonly Value[], options: NodeOptions = {}): Value {
    const output = this.#scope.fresh(options.as ?? operator)
    this.#add(operator, inputs, [output], options)
    return output
  }

  /** Adds a node with several outputs, called as `names` says; '' leaves an optional one out. */
  nodes<const Names extends readonly string[]>(
    operator: string,
    inputs: readonly Value[],
    names: Names,
    options: Omit<NodeOptions, 'as'> = {},
  ): Values<Names> {
    const outputs = names.map((name) => (name === '' ? '' : this.#scope.fresh(name)))
    this.#add(operator, inputs, outputs, options)
    return sameLength(names, outputs)
  }

  /**
   * Says of what type and shape a value is that leaves a subgraph, where the runtime cannot tell by itself. It has to know the
   * rank of what a loop gathers, for a loop without a round.
   */
  declare(value: Value, type: ElementType, shape: readonly (number | string)[]): Value {
    this.#declared.set(value, { type, shape })
    return value
  }

  /** Weights, under their own name. */
  weight(tensor: OnnxTensor): Value {
    this.#scope.claim(tensor.name)
    this.#scope.initializers.push(tensor)
    return tensor.name
  }

  float(value: number): Value {
    return this.#scope.constant('float', [value], (name) => float32(name, [], [value]))
  }

  floats(...values: number[]): Value {
    return this.#scope.constant('floats', values, (name) => float32(name, [values.length], values))
  }

  int(value: number | bigint): Value {
    return this.#scope.constant('int', [value], (name) => int64(name, [], [value]))
  }

  ints(...values: (number | bigint)[]): Value {
    return this.#scope.constant('ints', values, (name) => int64(name, [values.length], values))
  }

  bool(value: boolean): Value {
    return this.#scope.constant('bool', [Number(value)], (name) => bool(name, [], [value]))
  }

  /** ReduceSum, ReduceMax, ReduceMean and so on: opset 18 made the axes of most an input, ReduceSum's were one before. */
  reduce(operator: string, value: Value, axes: readonly number[], keep: boolean): Value {
    const keepdims = keep ? 1 : 0
    if (operator === 'ReduceSum' || this.opset >= 18)
      return this.node(operator, [value, this.ints(...axes)], { attributes: { keepdims } })
    return this.node(operator, [value], { attributes: { keepdims, axes } })
  }

  /** Both branches give as many values. */
  if<const Made extends readonly Value[]>(
    condition: Value,
    then: (branch: GraphBuilder) => Made,
    otherwise: (branch: GraphBuilder) => Values<Made>,
  ): Values<Made> {
    const made = this.#subgraph('then')
    const values = then(made)
    made.#close(values)
    const other = this.#subgraph('else')
    other.#close(otherwise(other))
    const outputs = values.map(() => this.#scope.fresh('If'))
    this.#add('If', [condition], outputs, {
      attributes: {
        then_branch: { kind: 'graph', value: made.graph() },
        else_branch: { kind: 'graph', value: other.graph() },
      },
    })
    return sameLength(values, outputs)
  }

  /** Rounds of the body; what is carried goes from one to the next. */
  loop<const Carried extends readonly Value[], const Scanned extends readonly Value[] = readonly []>(
    start: LoopStart<Carried>,
    round: (body: GraphBuilder, round: LoopRound<Carried>) => LoopStep<Carried, Scanned>,
  ): { readonly carried: Values<Carried>; readonly scanned: Values<Scanned> } {
    const body = this.#subgraph('loop')
    const iteration = body.#openInput('iteration', { type: 'int64', shape: [] })
    const condition = body.#openInput('condition', { type: 'bool', shape: [] })
    const carried = start.carried.map((stem) => body.#openInput(stem))
    const step = round(body, { iteration, carried: sameLength(start.carried, carried) })
    const scanned = step.scanned ?? []
    body.#close([step.condition ?? condition, ...step.carried, ...scanned])
    const outputs = [...step.carried, ...scanned].map(() => this.#scope.fresh('Loop'))
    this.#add('Loop', [start.trips ?? '', start.condition ?? '', ...start.carried], outputs, {
      attributes: { body: { kind: 'graph', value: body.graph() } },
    })
    return {
      carried: sameLength(start.carried, outputs.slice(0, carried.length)),
      // The assertion holds: only a step without `scanned` has the empty list, and then `Scanned` is the empty one.
      scanned: sameLength(scanned as Scanned, outputs.slice(carried.length)),
    }
  }

  /** Places a model's nodes here and its weights in the outermost graph. The outputs are by the model's names for them. */
  inline(model: OnnxModel, options: InlineOptions): Readonly<Record<string, Value>> {
    this.#scope.requireOpsets(model.opsets)
    const { nodes, initializers, outputs } = inlineModel(model, options)
    const outside = new Set(Object.values(options.inputs))
    const made = namesIn(nodes)
    for (const { name } of initializers) made.add(name)
    for (const name of made) if (!outside.has(name)) this.#scope.claim(name)
    this.#scope.initializers.push(...initializers)
    this.#nodes.push(...nodes)
    for (const node of nodes) for (const name of node.outputs) this.#free.add(name)
    return outputs
  }

  graph(): OnnxGraph {
    return {
      name: this.#name,
      inputs: this.#inputs,
      outputs: this.#outputs,
      initializers: [],
      nodes: this.#nodes,
    }
  }

  model(metadata: Readonly<Record<string, string>> = {}): OnnxModel {
    const { opsets, initializers } = this.#scope
    return { graph: { ...this.graph(), initializers }, opsets, metadata }
  }

  #add(
    operator: string,
    inputs: readonly Value[],
    outputs: readonly Value[],
    options: NodeOptions = {},
  ): void {
    const { domain, attributes = {} } = options
    const given = Object.entries(attributes).map(([key, value]) => [key, attributeOf(operator, key, value)])
    this.#nodes.push({
      operator,
      inputs,
      outputs,
      ...(domain === undefined ? {} : { domain }),
      ...(given.length === 0 ? {} : { attributes: Object.fromEntries(given) }),
    })
    for (const output of outputs) this.#free.add(output)
  }

  #subgraph(stem: string): GraphBuilder {
    return new GraphBuilder(this.#scope.fresh(stem), this.#scope)
  }

  /** A subgraph's input: the runtime infers a type that is left out. */
  #openInput(stem: string, type: Omit<OnnxValue, 'name'> = {}): Value {
    const name = this.#scope.fresh(stem)
    this.#inputs.push({ name, ...type })
    return name
  }

  /** An output is a value that a node of this very graph made, and each is another. */
  #close(values: readonly Value[]): void {
    for (const value of values) {
      const name = this.#free.delete(value) ? value : this.node('Identity', [value])
      this.#free.delete(name)
      this.#outputs.push({ name, ...this.#declared.get(value) })
    }
  }
}

function attributeOf(operator: string, key: string, value: Attribute): OnnxAttribute {
  if (typeof value === 'string') return { kind: 'string', value }
  if (typeof value === 'object' && 'kind' in value) return value
  const numbers = typeof value === 'number' ? [value] : value
  const broken = numbers.find((number) => !Number.isSafeInteger(number))
  if (broken !== undefined)
    throw new TypeError(
      `${operator}.${key} is ${broken}: a number that is not whole is given as float() or floats()`,
    )
  return typeof value === 'number' ? { kind: 'int', value } : { kind: 'ints', value }
}

function sameLength<Many extends readonly unknown[]>(_like: Many, values: readonly Value[]): Values<Many> {
  // The assertion holds where both lists have the same length, which every caller sees to.
  return values as unknown as Values<Many>
}
