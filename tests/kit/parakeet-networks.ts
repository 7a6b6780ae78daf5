import type { OnnxModel } from '#engines/onnx/graph.ts'
import type { GraphBuilder, Value } from '#engines/onnx/graph-builder.ts'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { float32 } from '#engines/onnx/tensors.ts'

/**
 * The networks of a transducer (TDT or RNN-T) as exports of the family have them, with given weights: in the hub layout,
 * where prediction and joint network are one model, and in sherpa-onnx's, where they are two.
 */
export interface TransducerShape {
  /** Blank and all. */
  readonly tokens: number
  /** 0 for RNN-T. */
  readonly durations: number
  readonly encoderSize: number
  readonly hidden: number
  readonly layers: number
  readonly joint: number
}

export interface TransducerWeights {
  /** [tokens][hidden] */
  readonly embedding: Float32Array
  /** As ONNX's LSTM has them: [4 hidden][hidden] twice, in the order input, output, forget, cell; [8 hidden]. */
  readonly layers: readonly {
    readonly input: Float32Array
    readonly recurrent: Float32Array
    readonly bias: Float32Array
  }[]
  /** [encoderSize][joint], [hidden][joint] */
  readonly fromEncoder: Float32Array
  readonly fromPrediction: Float32Array
  readonly jointBias: Float32Array
  /** [joint][tokens + durations] */
  readonly output: Float32Array
  readonly outputBias: Float32Array
}

/** `decoder_joint-model.onnx`. */
export function decoderJoint(shape: TransducerShape, weights: TransducerWeights): OnnxModel {
  const graph = graphBuilder('decoder_joint')
  const encoder = graph.input('encoder_outputs', 'float32', ['batch', shape.encoderSize, 'times'])
  const prediction = predictionNetwork(graph, shape, weights)
  const outputs = jointNetwork(graph, shape, weights, encoder, prediction.output)
  graph.output('outputs', outputs, 'float32', ['batch', 'times', 'units', shape.tokens + shape.durations])
  prediction.outputRest()
  return graph.model()
}

/** sherpa-onnx's decoder: targets, target_length and states in; outputs [batch, hidden, units], lengths and states out. */
export function sherpaDecoder(shape: TransducerShape, weights: TransducerWeights): OnnxModel {
  const graph = graphBuilder('decoder')
  const prediction = predictionNetwork(graph, shape, weights)
  const turned = graph.node('Transpose', [prediction.output], { attributes: { perm: [0, 2, 1] } })
  graph.output('outputs', turned, 'float32', ['batch', shape.hidden, 'units'])
  prediction.outputRest()
  return graph.model()
}

export function sherpaJoiner(shape: TransducerShape, weights: TransducerWeights): OnnxModel {
  const graph = graphBuilder('joiner')
  const encoder = graph.input('encoder_outputs', 'float32', ['batch', shape.encoderSize, 'times'])
  const decoder = graph.input('decoder_outputs', 'float32', ['batch', shape.hidden, 'units'])
  const turned = graph.node('Transpose', [decoder], { attributes: { perm: [0, 2, 1] } })
  const outputs = jointNetwork(graph, shape, weights, encoder, turned)
  graph.output('outputs', outputs, 'float32', ['batch', 'times', 'units', shape.tokens + shape.durations])
  return graph.model()
}

/** Weights whose logits differ clearly from step to step; `blankBias` makes blanks as frequent as wanted. */
export function randomWeights(
  shape: TransducerShape,
  random: () => number,
  blankBias: number,
): TransducerWeights {
  const { tokens, durations, encoderSize, hidden, layers, joint } = shape
  // Uniform from −scale to scale; numbers that follow from another, since a generator call for each is slow at full size.
  const some = (length: number, scale: number) => {
    let state = Math.floor(random() * 4_294_967_296) | 1
    return Float32Array.from({ length }, () => {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return (state / 2_147_483_648) * scale
    })
  }
  const embedding = some(tokens * hidden, 2)
  embedding.fill(0, (tokens - 1) * hidden)
  const outputBias = some(tokens + durations, 0.5)
  outputBias[tokens - 1] = blankBias
  return {
    embedding,
    layers: Array.from({ length: layers }, () => ({
      input: some(4 * hidden * hidden, 2 / Math.sqrt(hidden)),
      recurrent: some(4 * hidden * hidden, 2 / Math.sqrt(hidden)),
      bias: some(8 * hidden, 0.5),
    })),
    fromEncoder: some(encoderSize * joint, 3 / Math.sqrt(encoderSize)),
    fromPrediction: some(hidden * joint, 3 / Math.sqrt(hidden)),
    jointBias: some(joint, 0.2),
    output: some(joint * (tokens + durations), 3 / Math.sqrt(joint)),
    outputBias,
  }
}

/** Each name stands in sherpa-onnx's layout where it stands here: it takes inputs and outputs by their order. */
function predictionNetwork(graph: GraphBuilder, shape: TransducerShape, weights: TransducerWeights) {
  const { hidden, layers } = shape
  const targets = graph.input('targets', 'int32', ['batch', 'units'])
  const length = graph.input('target_length', 'int32', ['batch'])
  const first = graph.input('input_states_1', 'float32', [layers, 'batch', hidden])
  const second = graph.input('input_states_2', 'float32', [layers, 'batch', hidden])
  const embedding = graph.weight(float32('embedding', [shape.tokens, hidden], weights.embedding))
  const embedded = graph.node('Gather', [embedding, targets], { attributes: { axis: 0 } })
  let value = graph.node('Transpose', [embedded], { attributes: { perm: [1, 0, 2] } })
  const states: Value[][] = [[], []]
  for (const [layer, { input, recurrent, bias }] of weights.layers.entries()) {
    const slice = (state: Value) =>
      graph.node('Slice', [state, graph.ints(layer), graph.ints(layer + 1), graph.ints(0)])
    const [all, lastHidden, lastCell] = graph.nodes(
      'LSTM',
      [
        value,
        graph.weight(float32(`lstm_input_${layer}`, [1, 4 * hidden, hidden], input)),
        graph.weight(float32(`lstm_recurrent_${layer}`, [1, 4 * hidden, hidden], recurrent)),
        graph.weight(float32(`lstm_bias_${layer}`, [1, 8 * hidden], bias)),
        '',
        slice(first),
        slice(second),
      ],
      ['lstm', 'lstm_hidden', 'lstm_cell'],
      { attributes: { hidden_size: hidden } },
    )
    value = graph.node('Squeeze', [all, graph.ints(1)])
    states[0]?.push(lastHidden)
    states[1]?.push(lastCell)
  }
  return {
    /** [batch][unit][hidden] */
    output: graph.node('Transpose', [value], { attributes: { perm: [1, 0, 2] } }),
    outputRest() {
      graph.output('prednet_lengths', graph.node('Identity', [length]), 'int32', ['batch'])
      for (const [index, values] of states.entries()) {
        const state = graph.node('Concat', values, { attributes: { axis: 0 } })
        graph.output(`output_states_${index + 1}`, state, 'float32', [layers, 'batch', hidden])
      }
    },
  }
}

/** `encoder` is [batch][encoderSize][time], `prediction` [batch][unit][hidden]; logits [batch][time][unit][token]. */
function jointNetwork(
  graph: GraphBuilder,
  shape: TransducerShape,
  weights: TransducerWeights,
  encoder: Value,
  prediction: Value,
): Value {
  const { encoderSize, hidden, joint, tokens, durations } = shape
  const weight = (name: string, sizes: readonly number[], data: Float32Array) =>
    graph.weight(float32(name, sizes, data))
  const turned = graph.node('Transpose', [encoder], { attributes: { perm: [0, 2, 1] } })
  const heard = graph.node('MatMul', [
    turned,
    weight('from_encoder', [encoderSize, joint], weights.fromEncoder),
  ])
  const biased = graph.node('Add', [heard, weight('joint_bias', [joint], weights.jointBias)])
  const said = graph.node('MatMul', [
    prediction,
    weight('from_prediction', [hidden, joint], weights.fromPrediction),
  ])
  const both = graph.node('Add', [
    graph.node('Unsqueeze', [biased, graph.ints(2)]),
    graph.node('Unsqueeze', [said, graph.ints(1)]),
  ])
  const active = graph.node('Relu', [both])
  const logits = graph.node('MatMul', [active, weight('output', [joint, tokens + durations], weights.output)])
  return graph.node('Add', [logits, weight('output_bias', [tokens + durations], weights.outputBias)])
}
