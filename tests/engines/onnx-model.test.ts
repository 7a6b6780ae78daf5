import { existsSync, readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import type { OnnxModel, OnnxTensor } from '#engines/onnx/graph.ts'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { decodeModel, readModelFile } from '#engines/onnx/read-model.ts'
import { openSession } from '#engines/onnx/runtime.ts'
import { bool, float16, float32, int8, int32, int64, uint8 } from '#engines/onnx/tensors.ts'
import { WireWriter } from '#engines/onnx/wire-writer.ts'
import { encodeModel, writeModelFile } from '#engines/onnx/write-model.ts'
import { everyFieldModel, floatTensor, hubModel, run } from '#tests/kit/onnx-models.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const EMBEDDED = fileURLToPath(new URL('../../models/embedded/model.onnx', import.meta.url))
const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

/** A model that is nothing but one initializer, written field by field. */
function tensorModel(write: (tensor: WireWriter) => void): Uint8Array {
  const model = new WireWriter()
  model.integer(1, 8)
  model.message(7, (graph) => graph.message(5, write))
  return Buffer.concat(model.chunks())
}

function onlyTensor(bytes: Uint8Array): OnnxTensor | undefined {
  return decodeModel(bytes).graph.initializers[0]
}

describe('onnx model', () => {
  it('[ON1] tensors of every type that the runtime hands out have their values there', async () => {
    const graph = graphBuilder('types')
    const tensors = [
      float32('a', [2], [0.5, -1]),
      float16('b', [3], [1, -0.5, 70_000]),
      int64('c', [2], [-1, 2n ** 60n]),
      int32('d', [1, 1], [-7]),
      int8('e', [2], [-128, 127]),
      uint8('f', [1], [255]),
      bool('g', [2], [true, false]),
    ]
    for (const tensor of tensors)
      graph.output(`out ${tensor.name}`, graph.weight(tensor), tensor.type, tensor.shape)
    const outputs = await run(graph.model())
    const values = Object.values(outputs).map(({ data }) => Array.from(data as ArrayLike<unknown>))
    expect(values).toEqual([
      [0.5, -1],
      [1, -0.5, Infinity],
      [-1n, 2n ** 60n],
      [-7],
      [-128, 127],
      [255],
      [1, 0],
    ])
  })

  it('[ON1] what is written is read back equal, every kind of attribute and place of data', () => {
    const model = everyFieldModel()
    const read = decodeModel(encodeModel(model))
    expect(plain(read)).toEqual(plain(model))
    expect(encodeModel(read)).toEqual(encodeModel(model))
  })

  it('[ON1] a shape that asks for other bytes is refused where the tensor is made', () => {
    expect(() => float32('w', [2, 2], [1, 2, 3])).toThrow(/expected 16 bytes \(4 elements\), got 12/)
  })

  it('[ON2] a foreign model that is read and written again gives the same bytes of weights and the same outputs', async () => {
    const path = folder.join('again.onnx')
    const model = await readModelFile(EMBEDDED)
    await writeModelFile(path, model)
    expect(await readModelFile(path)).toEqual(model)
    const audio = await floatTensor(
      Array.from({ length: 8000 }, (_, at) => Math.sin(at / 9)),
      [1, 8000],
    )
    const outputs = []
    for (const file of [EMBEDDED, path]) {
      const session = await openSession(file, { threads: 1 })
      outputs.push((await session.run({ audio })).log_probs?.data)
      await session.release()
    }
    expect(outputs[1]).toEqual(outputs[0])
  })

  it('[ON2] fields that have no name here are kept byte for byte, wherever they are', () => {
    const model = decodeModel(withUnknownFields())
    const [node] = model.graph.nodes
    expect(
      [model.unknown, model.graph.unknown, node?.unknown, node?.attributes?.a?.unknown].map(
        (one) => one?.length,
      ),
    ).toEqual([1, 1, 1, 1])
    // A sequence is no tensor: its type stays as it is.
    expect(model.graph.inputs[0]).toMatchObject({ name: 'list', unknown: [expect.anything()] })
    expect(Buffer.from(encodeModel(decodeModel(encodeModel(model))))).toEqual(Buffer.from(encodeModel(model)))
    expect(Buffer.from(encodeModel(model)).includes('a note on the node')).toBe(true)
  })

  it('[ON3] weights are views of the bytes that were read', () => {
    const bytes = encodeModel(graphWithWeights(4))
    const [weight] = decodeModel(bytes).graph.initializers
    expect(weight?.data instanceof Uint8Array && weight.data.buffer === bytes.buffer).toBe(true)
  })

  it('[ON3] numbers in typed fields are raw data, whatever the writer chose', () => {
    const tensor = (type: number, size: number, field: (writer: WireWriter) => unknown) =>
      onlyTensor(
        tensorModel((writer) => {
          writer.integers(1, [size])
          writer.integer(2, type)
          field(writer)
        }),
      )?.data
    const packed = [-1, 300]
    expect(tensor(1, 2, (writer) => writer.floats(4, [1, -2]))).toEqual(
      new Uint8Array(Float32Array.of(1, -2).buffer),
    )
    expect(tensor(1, 2, (writer) => [1, -2].map((one) => writer.float(4, one)))).toEqual(
      new Uint8Array(Float32Array.of(1, -2).buffer),
    )
    expect(tensor(6, 2, (writer) => writer.integers(5, packed))).toEqual(
      new Uint8Array(Int32Array.from(packed).buffer),
    )
    expect(tensor(10, 2, (writer) => writer.integers(5, [0x3c00, 1]))).toEqual(Uint8Array.of(0, 0x3c, 1, 0))
    expect(tensor(9, 2, (writer) => [1, 0].map((one) => writer.integer(5, one)))).toEqual(Uint8Array.of(1, 0))
    expect(tensor(7, 2, (writer) => writer.integers(7, [-1, 2n ** 60n]))).toEqual(
      new Uint8Array(BigInt64Array.of(-1n, 2n ** 60n).buffer),
    )
    expect(tensor(13, 1, (writer) => writer.integers(11, [2n ** 64n - 1n]))).toEqual(
      new Uint8Array(8).fill(255),
    )
  })

  it('[ON5] weights go to a file beside the model: aligned to pages, the same bytes once', async () => {
    const path = folder.join('outside.onnx')
    const model = graphWithWeights(30_000)
    const [weight] = model.graph.initializers
    const twice = { ...model.graph, initializers: [...model.graph.initializers, { ...weight, name: 'same' }] }
    await writeModelFile(
      path,
      { ...model, graph: twice as typeof model.graph },
      { externalData: { location: 'outside.data' } },
    )
    const [first, second] = (await readModelFile(path)).graph.initializers.map(({ data }) => data)
    expect(first).toEqual({ location: 'outside.data', offset: 0, length: 120_000 })
    expect(second).toEqual(first)
    expect([statSync(folder.join('outside.data')).size, statSync(path).size < 1000]).toEqual([120_000, true])
    const session = await openSession(path, { threads: 1 })
    expect((await session.run({ x: await floatTensor([2]) })).y?.data.at(-1)).toBe(2 * 29_999)
    await session.release()
  })

  it('[ON5] a file appears whole or not at all', async () => {
    const inside = folder.join('whole')
    const missing = `${inside}/no-such-folder/model.onnx`
    await expect(writeModelFile(missing, hubModel())).rejects.toThrow('ENOENT')
    const broken = { ...hubModel(), opsets: { '': Number.NaN } }
    await expect(writeModelFile(folder.join('broken.onnx'), broken)).rejects.toThrow()
    expect(existsSync(inside) || readdirSync(folder.path).some((name) => /broken|partial/.test(name))).toBe(
      false,
    )
  })

  it('[ON5] more than 2 GB are refused before they are written', () => {
    const model = graphWithWeights(1)
    const many = { name: 'w', type: 'uint8', shape: [2 ** 29], data: new Uint8Array(2 ** 29) } as const
    const graph = { ...model.graph, initializers: [many, many, many, many] }
    expect(() => encodeModel({ ...model, graph })).toThrow(
      /holds 2147483647: write its weights as external data/,
    )
  })
})

/** y = w x, w counting from 0. */
function graphWithWeights(count: number): OnnxModel {
  const graph = graphBuilder('weights')
  const weight = float32(
    'w',
    [count],
    Float32Array.from({ length: count }, (_, at) => at),
  )
  const x = graph.input('x', 'float32', [1])
  graph.output('y', graph.node('Mul', [graph.weight(weight), x]), 'float32', [count])
  return graph.model()
}

function withUnknownFields(): Uint8Array {
  const writer = new WireWriter()
  writer.integer(1, 8)
  writer.message(25, (functions) => functions.text(1, 'a function'))
  writer.message(7, (graph) => {
    graph.message(1, (node) => {
      node.text(4, 'Optional')
      node.text(6, 'a note on the node')
      node.message(5, (attribute) => {
        attribute.text(1, 'a')
        attribute.integer(20, 13)
        attribute.message(14, (type) => type.message(4, () => {}))
      })
    })
    graph.message(11, (value) => {
      value.text(1, 'list')
      value.message(2, (type) => type.message(4, (sequence) => sequence.message(1, () => {})))
    })
    graph.text(10, 'a note on the graph')
  })
  return Buffer.concat(writer.chunks())
}

/** A view of a larger file is as good as an array that holds the same. */
function plain(model: OnnxModel): unknown {
  return JSON.parse(
    JSON.stringify(model, (_key, value: unknown) => {
      if (typeof value === 'bigint') return `${value}n`
      return value instanceof Uint8Array ? Array.from(value) : value
    }),
  )
}
