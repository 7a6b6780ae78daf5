import type { InferenceSession, Tensor } from 'onnxruntime-node'
import type { OnnxModel } from '#engines/onnx/graph.ts'
import { type GraphBuilder, graphBuilder } from '#engines/onnx/graph-builder.ts'
import { onnxRuntime, openModel } from '#engines/onnx/runtime.ts'
import { float, float32, floats, int64, text } from '#engines/onnx/tensors.ts'

/** Runs a model once on the CPU; its outputs by name. */
export async function run(
  model: OnnxModel,
  feeds: Readonly<Record<string, Tensor>> = {},
): Promise<InferenceSession.OnnxValueMapType> {
  const session = await openModel(model, { threads: 1 })
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

export async function floatTensor(values: readonly number[], shape = [values.length]): Promise<Tensor> {
  const { Tensor } = await onnxRuntime()
  return new Tensor('float32', Float32Array.from(values), shape)
}

/**
 * As a hub's model may be: weights, a default value, a subgraph that sees outer values, and one in it. `y` is
 * 2 (x + bias) where `flag`, else x where `x` sums to more than 10, else -bias; `passed` is x itself.
 */
export function hubModel(): OnnxModel {
  const graph = graphBuilder('hub')
  const x = graph.input('x', 'float32', [2])
  const flag = graph.input('flag', 'bool', [])
  const bias = graph.weight(float32('bias', [2], [1, 2]))
  const [y] = graph.if(
    flag,
    (branch) => [branch.node('Mul', [branch.node('Add', [x, bias]), branch.float(2)])],
    (branch) => {
      const isLarge = branch.node('Greater', [branch.reduce('ReduceSum', x, [0], false), branch.float(10)])
      return branch.if(
        isLarge,
        () => [x],
        (inner) => [inner.node('Neg', [bias])],
      )
    },
  )
  graph.output('y', y, 'float32', [2])
  const { graph: made, ...model } = graph.model()
  return {
    ...model,
    graph: { ...made, outputs: [...made.outputs, { name: 'x', type: 'float32', shape: [2] }] },
  }
}

/** Every kind of attribute, element type and place for data; it is not there to run. */
export function everyFieldModel(): OnnxModel {
  const graph = graphBuilder('every field', { '': 17, 'com.example': 1 })
  const x = graph.input('x', 'float32', ['batch', '', 3])
  addEveryAttribute(graph, x)
  const model = graph.model({ author: 'nobody', empty: '' })
  const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
  return {
    ...model,
    irVersion: 10,
    producer: { name: 'a test', version: '1.0' },
    graph: {
      ...model.graph,
      outputs: [{ name: 'y' }, { name: 'z', type: 'int8' }, { name: 'w', type: 'bool', shape: [] }],
      values: [{ name: 'inside', type: 'float16', shape: [-1] }],
      initializers: [
        { name: 'int4', type: 'int4', shape: [3, 5], data: bytes },
        { name: 'half', type: 'float16', shape: [4], data: bytes },
        { name: 'double', type: 'float64', shape: [], data: bytes },
        { name: 'none', type: 'float32', shape: [0, 4], data: new Uint8Array(0) },
        {
          name: 'words',
          type: 'string',
          shape: [2],
          data: { strings: [Uint8Array.of(97), new Uint8Array(0)] },
        },
        {
          name: 'outside',
          type: 'float32',
          shape: [1000],
          data: { location: 'a.data', offset: 4096, length: 4000 },
        },
        {
          name: 'rest',
          type: 'float32',
          shape: [9],
          data: { location: 'b.data', offset: 0, length: null, more: { checksum: 'abc' } },
        },
      ],
    },
  }
}

function addEveryAttribute(graph: GraphBuilder, x: string): void {
  const inner = graphBuilder('inner')
  inner.output('y', inner.node('Neg', [x]), 'float32', [])
  graph.nodes('Everything', [x, '', x], ['a', '', 'b'], {
    domain: 'com.example',
    attributes: {
      int: -5,
      long: { kind: 'int', value: -(2n ** 63n) },
      ints: [0, -1, 2 ** 31, 2 ** 40],
      longs: { kind: 'ints', value: [2n ** 62n, 1] },
      none: [],
      float: float(-0.5),
      floats: floats(1, 0.5),
      string: 'grüße',
      bytes: { kind: 'string', value: Uint8Array.of(0xff, 0xfe) },
      strings: { kind: 'strings', value: ['a', Uint8Array.of(0xff)] },
      empty: text(''),
      tensor: { kind: 'tensor', value: int64('', [1], [7]) },
      tensors: { kind: 'tensors', value: [int64('t', [0], [])] },
      graph: { kind: 'graph', value: inner.graph() },
      graphs: { kind: 'graphs', value: [inner.graph(), inner.graph()] },
    },
  })
}
