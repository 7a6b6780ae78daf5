import type { ElementType, OnnxModel } from '../onnx/graph.ts'
import { type GraphBuilder, graphBuilder, type Value } from '../onnx/graph-builder.ts'
import type { SearchOptions } from './step-model.ts'

/** Raise it with every change of the graph: graphs of other versions are built anew. */
export const LOOP_VERSION = 1

/**
 * Greedy search over a batch as one ONNX graph: the model that does one step (prediction and joint network) becomes the body
 * of a `Loop`, which walks as `transducer-step.ts` says. All of the search's state goes in and comes out, so a call may do
 * a part of it. The body runs for all items until the last has come to its end; what it says of one that has is not used.
 *
 * In: `encoder_outputs` [batch, channels, frames], `lengths` [batch], `steps`; `frame`, `written`, `last` [batch],
 * `states_1`, `states_2`. Out: the same five as `next_…`, and [step, batch] of `tokens` (−1: none), `frames`, `durations`,
 * `probabilities`. Whole numbers are int64. Weights are the model's own, also where they lie in files.
 */
export function loopGraph(model: OnnxModel, options: SearchOptions): OnnxModel {
  const graph = graphBuilder('greedy_loop', model.opsets)
  const state = shapeOf(model, 'input_states_1')
  const channels = shapeOf(model, 'encoder_outputs')[1] ?? 'channels'
  const encoder = graph.input('encoder_outputs', 'float32', ['batch', channels, 'frames'])
  const lengths = graph.input('lengths', 'int64', ['batch'])
  const steps = graph.input('steps', 'int64', [])
  const carried = [
    graph.input('frame', 'int64', ['batch']),
    graph.input('written', 'int64', ['batch']),
    graph.input('last', 'int64', ['batch']),
    graph.input('states_1', 'float32', [state[0] ?? 'layers', 'batch', state[2] ?? 'hidden']),
    graph.input('states_2', 'float32', [state[0] ?? 'layers', 'batch', state[2] ?? 'hidden']),
  ] as const
  const byFrame = graph.node('Transpose', [encoder], { attributes: { perm: [0, 2, 1] } })
  const lastFrame = graph.node('Sub', [
    graph.node('Gather', [graph.node('Shape', [byFrame]), graph.int(1)]),
    graph.int(1),
  ])
  const ones = graph.node('Expand', [
    ofType(graph, graph.int(1), typeOf(model, 'target_length')),
    graph.node('Shape', [lengths]),
  ])
  const loop = graph.loop({ trips: steps, condition: graph.bool(true), carried }, (body, round) => {
    const [frame, written, last, first, second] = round.carried
    const place = body.node('Min', [frame, lastFrame])
    const heard = body.node('GatherND', [byFrame, body.node('Unsqueeze', [place, body.ints(1)])], {
      attributes: { batch_dims: 1 },
    })
    const said = body.inline(model, {
      prefix: 'step_',
      inputs: {
        encoder_outputs: body.node('Unsqueeze', [heard, body.ints(2)]),
        targets: ofType(body, body.node('Unsqueeze', [last, body.ints(1)]), typeOf(model, 'targets')),
        target_length: ones,
        input_states_1: first,
        input_states_2: second,
      },
    })
    const logits = body.node('Reshape', [said.outputs ?? '', body.ints(0, -1)])
    const { token, probability } = bestToken(body, logits, options)
    const isActive = body.node('Less', [frame, lengths])
    const isBlank = body.node('Equal', [token, body.int(options.tokens - 1)])
    const writes = body.node('And', [isActive, body.node('Not', [isBlank])])
    const duration = options.hasDurations
      ? best(body, slice(body, logits, options.tokens, Number.MAX_SAFE_INTEGER))
      : body.node('Mul', [token, body.int(0)])
    const next = nextPlaces(body, { frame, written, isBlank, writes, duration, isActive }, options)
    const kept = body.node('Unsqueeze', [writes, body.ints(1)])
    return {
      condition: anyTrue(body, body.node('Less', [next.frame, lengths])),
      carried: [
        next.frame,
        next.written,
        body.node('Where', [writes, token, last]),
        body.node('Where', [kept, said.output_states_1 ?? '', first]),
        body.node('Where', [kept, said.output_states_2 ?? '', second]),
      ],
      scanned: [
        body.node('Where', [writes, token, body.int(-1)]),
        body.node('Identity', [frame]),
        duration,
        probability,
      ],
    }
  })
  const names = ['next_frame', 'next_written', 'next_last'] as const
  for (const [index, name] of names.entries())
    graph.output(name, loop.carried[index] ?? '', 'int64', ['batch'])
  graph.output('next_states_1', loop.carried[3], 'float32', [state[0] ?? 'layers', 'batch', state[2] ?? ''])
  graph.output('next_states_2', loop.carried[4], 'float32', [state[0] ?? 'layers', 'batch', state[2] ?? ''])
  graph.output('tokens', loop.scanned[0], 'int64', ['step', 'batch'])
  graph.output('frames', loop.scanned[1], 'int64', ['step', 'batch'])
  graph.output('durations', loop.scanned[2], 'int64', ['step', 'batch'])
  graph.output('probabilities', loop.scanned[3], 'float32', ['step', 'batch'])
  return graph.model()
}

interface Walk {
  readonly frame: Value
  readonly written: Value
  readonly isBlank: Value
  readonly writes: Value
  readonly duration: Value
  readonly isActive: Value
}

/** `nextPlace` for a batch; an item that is at its end stays there. */
function nextPlaces(graph: GraphBuilder, walk: Walk, options: SearchOptions) {
  const written = graph.node('Add', [walk.written, ofType(graph, walk.writes, 'int64')])
  const isFull = graph.node('Not', [graph.node('Less', [written, graph.int(options.mostTokens)])])
  const goesOn = ofType(graph, graph.node('Or', [walk.isBlank, isFull]), 'int64')
  const hasDuration = graph.node('Greater', [walk.duration, graph.int(0)])
  const forward = graph.node('Where', [hasDuration, walk.duration, goesOn])
  const moved = graph.node('Mul', [forward, ofType(graph, walk.isActive, 'int64')])
  const stays = graph.node('Equal', [forward, graph.int(0)])
  return {
    frame: graph.node('Add', [walk.frame, moved]),
    written: graph.node('Where', [stays, written, graph.int(0)]),
  }
}

function bestToken(graph: GraphBuilder, logits: Value, options: SearchOptions) {
  const tokens = options.hasDurations ? slice(graph, logits, 0, options.tokens) : logits
  const highest = graph.reduce('ReduceMax', tokens, [1], true)
  const shares = graph.node('Exp', [graph.node('Sub', [tokens, highest])])
  return {
    token: best(graph, tokens),
    probability: graph.node('Reciprocal', [graph.reduce('ReduceSum', shares, [1], false)]),
  }
}

function best(graph: GraphBuilder, values: Value): Value {
  return graph.node('ArgMax', [values], { attributes: { axis: 1, keepdims: 0 } })
}

function slice(graph: GraphBuilder, values: Value, from: number, to: number): Value {
  return graph.node('Slice', [values, graph.ints(from), graph.ints(to), graph.ints(1)])
}

function anyTrue(graph: GraphBuilder, values: Value): Value {
  const highest = graph.reduce('ReduceMax', ofType(graph, values, 'int32'), [0], false)
  return ofType(graph, highest, 'bool')
}

function ofType(graph: GraphBuilder, value: Value, type: ElementType): Value {
  return graph.node('Cast', [value], { attributes: { to: CAST_CODES[type] ?? 0 } })
}

/** TensorProto.DataType. */
const CAST_CODES: Partial<Record<ElementType, number>> = { int32: 6, int64: 7, bool: 9 }

function shapeOf(model: OnnxModel, input: string): readonly (number | string)[] {
  return model.graph.inputs.find(({ name }) => name === input)?.shape ?? []
}

/** Exports have int32 here; int64 is taken as well. */
function typeOf(model: OnnxModel, input: string): ElementType {
  return model.graph.inputs.find(({ name }) => name === input)?.type ?? 'int32'
}
