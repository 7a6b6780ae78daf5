import { writeFileSync } from 'node:fs'
import type { Tensor } from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import type { ExternalData, OnnxModel } from '#engines/onnx/graph.ts'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { InlineError, inlineModel, mergedOpsets } from '#engines/onnx/inline.ts'
import { readModelFile } from '#engines/onnx/read-model.ts'
import { onnxRuntime, openSession } from '#engines/onnx/runtime.ts'
import { float, float32 } from '#engines/onnx/tensors.ts'
import { writeModelFile } from '#engines/onnx/write-model.ts'
import { floatTensor, hubModel, run } from '#tests/kit/onnx-models.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

describe('graph builder', () => {
  it('[ON6] every value has a name of its own, and an equal constant is held once', () => {
    const graph = graphBuilder('names')
    const x = graph.input('x', 'float32', ['n'])
    const names = [
      graph.float(0),
      graph.float(0),
      graph.float(-0),
      graph.floats(0),
      graph.int(0),
      graph.ints(0),
    ]
    expect(new Set(names).size).toBe(5)
    expect([1, 2, 3].map(() => graph.node('Neg', [x]))).toEqual(['Neg', 'Neg_2', 'Neg_3'])
    expect(graph.nodes('Split', [x, graph.ints(1, 1)], ['Neg', ''])).toEqual(['Neg_4', ''])
    expect(() => graph.input('x', 'float32', [])).toThrow('The graph has a value called x already')
    expect(graph.model().graph.initializers.length).toBe(6)
  })

  it('[ON6] a number that is not whole must say what it is', async () => {
    const graph = graphBuilder('leaky')
    const x = graph.input('x', 'float32', ['n'])
    expect(() => graph.node('LeakyRelu', [x], { attributes: { alpha: 0.5 } })).toThrow(
      /LeakyRelu\.alpha is 0\.5/,
    )
    const y = graph.node('LeakyRelu', [x], { attributes: { alpha: float(0.5) }, as: 'y' })
    graph.output('y', y, 'float32', ['n'])
    expect(graph.model().graph.nodes.map(({ operator }) => operator)).toEqual(['LeakyRelu'])
    expect(valuesOf(await run(graph.model(), { x: await floatTensor([-1, 2]) }), 'y')).toEqual([-0.5, 2])
  })

  it('[ON6] a loop carries, gathers and ends by its condition; a branch sees the values around it', async () => {
    const graph = graphBuilder('powers')
    const limit = graph.input('limit', 'float32', [])
    const { carried, scanned } = graph.loop(
      { trips: graph.int(10), carried: [graph.float(1)] },
      (body, round) => {
        const [next] = body.if(
          body.node('Equal', [round.iteration, body.int(2)]),
          () => [round.carried[0]],
          (branch) => [branch.node('Mul', [round.carried[0], branch.float(2)])],
        )
        return {
          condition: body.node('Less', [next, limit]),
          carried: [next],
          scanned: [round.carried[0], next],
        }
      },
    )
    graph.output('last', carried[0], 'float32', [])
    graph.output('before', scanned[0], 'float32', ['rounds'])
    graph.output('after', scanned[1], 'float32', ['rounds'])
    const outputs = await run(graph.model(), { limit: await floatTensor([8], []) })
    expect(valuesOf(outputs, 'last')).toEqual([8])
    expect(valuesOf(outputs, 'before')).toEqual([1, 2, 4, 4])
    expect(valuesOf(outputs, 'after')).toEqual([2, 4, 4, 8])
  })

  it.each([13, 17, 18, 21])('[ON6] reductions are written as opset %i has them', async (opset) => {
    const graph = graphBuilder('reduce', { '': opset })
    const x = graph.input('x', 'float32', [2, 2])
    graph.output('sum', graph.reduce('ReduceSum', x, [0], false), 'float32', [2])
    graph.output('most', graph.reduce('ReduceMax', x, [1], true), 'float32', [2, 1])
    const outputs = await run(graph.model(), { x: await floatTensor([1, 2, 3, 4], [2, 2]) })
    expect([valuesOf(outputs, 'sum'), valuesOf(outputs, 'most')]).toEqual([
      [4, 6],
      [2, 4],
    ])
  })
})

describe('inline', () => {
  it('[ON7] a model in the body of a loop gives round by round what it gives alone', async () => {
    const rounds = await looped(hubModel())
    expect(rounds).toEqual(await alone(hubModel()))
    expect(rounds.at(-1)).toEqual([-1, -2])
  })

  it('[ON7] two copies of a model share no name, and external data stay where they are', async () => {
    writeFileSync(folder.join('hub.data'), new Uint8Array(Float32Array.of(0, 1, 2).buffer))
    await writeModelFile(
      folder.join('hub.onnx'),
      withBiasOutside({ location: 'hub.data', offset: 4, length: 8 }),
    )
    const hub = await readModelFile(folder.join('hub.onnx'))
    const graph = graphBuilder('twice')
    const x = graph.input('x', 'float32', [2])
    const first = graph.inline(hub, { prefix: 'first/', inputs: { x, flag: graph.bool(true) } })
    const second = graph.inline(hub, {
      prefix: 'second/',
      inputs: { x: first.y ?? '', flag: graph.bool(true) },
      outputs: { y: 'y' },
    })
    expect([second.y, second.x]).toEqual(['y', first.y])
    graph.output('y', second.y ?? '', 'float32', [2])
    const model = graph.model()
    const outside = model.graph.initializers.filter(({ name }) => name.endsWith('/bias'))
    expect(outside.map(({ data }) => 'location' in data && data.location)).toEqual(['hub.data', 'hub.data'])
    await writeModelFile(folder.join('twice.onnx'), model)
    const session = await openSession(folder.join('twice.onnx'), { threads: 1 })
    expect(valuesOf(await session.run({ x: await floatTensor([1, 1]) }), 'y')).toEqual([10, 16])
    await session.release()
  })

  it('[ON7] an input with a default may be left out, and is replaced where it is given', async () => {
    const made = graphBuilder('scaled')
    const x = made.input('x', 'float32', [1])
    const scale = made.weight(float32('scale', [1], [10]))
    made.output('y', made.node('Mul', [x, scale]), 'float32', [1])
    const { graph, ...rest } = made.model()
    const model = {
      ...rest,
      graph: { ...graph, inputs: [...graph.inputs, { name: 'scale', type: 'float32', shape: [1] }] },
    } as const
    const outer = graphBuilder('outer')
    const one = outer.floats(1)
    for (const [name, inputs] of Object.entries({
      default: { x: one },
      given: { x: one, scale: outer.floats(3) },
    }))
      outer.output(name, outer.inline(model, { prefix: `${name}/`, inputs }).y ?? '', 'float32', [1])
    const outputs = await run(outer.model())
    expect([valuesOf(outputs, 'default'), valuesOf(outputs, 'given')]).toEqual([[10], [3]])
  })

  it.each<[string, () => unknown, RegExp]>([
    [
      'a missing input',
      () => inlineModel(hubModel(), { prefix: 'a/', inputs: { x: 'x' } }),
      /hub needs the inputs flag as well/,
    ],
    [
      'an input that it does not have',
      () => inlineModel(hubModel(), { prefix: '', inputs: { x: 'x', flag: 'f', y: 'y' } }),
      /hub has no input y: it has x, flag/,
    ],
    [
      'an output that it does not have',
      () => inlineModel(hubModel(), { prefix: '', inputs: { x: 'x', flag: 'f' }, outputs: { x: 'z' } }),
      /has no output of its own x: it has y/,
    ],
    [
      'another opset',
      () => mergedOpsets({ '': 17 }, { 'com.microsoft': 1, '': 14 }),
      /ONNX in the versions 17 and 14/,
    ],
    [
      'functions of its own',
      () => inlineModel(withField('model', 0xca, 0x01, 0x00), given),
      /has functions of its own/,
    ],
    ['sparse weights', () => inlineModel(withField('graph', 0x7a, 0x00), given), /has sparse weights/],
  ])('[ON7] %s is refused', (_case, act, message) => {
    expect(act).toThrow(InlineError)
    expect(act).toThrow(message)
  })

  it('[ON7] a name of the outer graph is never taken', () => {
    const graph = graphBuilder('outer')
    const x = graph.input('x', 'float32', [2])
    graph.input('hub/bias', 'float32', [2])
    const inputs = { x, flag: graph.bool(true) }
    expect(() => graph.inline(hubModel(), { prefix: 'hub/', inputs })).toThrow(
      'a value called hub/bias already',
    )
  })
})

function withBiasOutside(data: ExternalData): OnnxModel {
  const { graph, ...model } = hubModel()
  const initializers = graph.initializers.map((tensor) =>
    tensor.name === 'bias' ? { ...tensor, data } : tensor,
  )
  return { ...model, graph: { ...graph, initializers } }
}

const given = { prefix: '', inputs: { x: 'x', flag: 'flag' } }

function withField(where: 'model' | 'graph', ...bytes: number[]): OnnxModel {
  const model = hubModel()
  const unknown = [Uint8Array.from(bytes)]
  return where === 'model' ? { ...model, unknown } : { ...model, graph: { ...model.graph, unknown } }
}

/** The hub's model three times, each on what the last gave; the flag is up in the first two rounds. */
async function looped(hub: OnnxModel): Promise<number[][]> {
  const graph = graphBuilder('outer')
  const start = graph.input('start', 'float32', [2])
  const { scanned } = graph.loop(
    { trips: graph.int(3), carried: [start] },
    (body, { iteration, carried: [x] }) => {
      const flag = body.node('Less', [iteration, body.int(2)])
      const { y = '' } = body.inline(hub, { prefix: 'hub/', inputs: { x, flag } })
      return { carried: [y], scanned: [y] }
    },
  )
  graph.output('rounds', scanned[0], 'float32', [3, 2])
  const values = valuesOf(await run(graph.model(), { start: await floatTensor([-3, -3]) }), 'rounds')
  return [values.slice(0, 2), values.slice(2, 4), values.slice(4)]
}

async function alone(hub: OnnxModel): Promise<number[][]> {
  const { Tensor } = await onnxRuntime()
  const rounds: number[][] = []
  for (const flag of [true, true, false]) {
    const x = await floatTensor(rounds.at(-1) ?? [-3, -3])
    rounds.push(valuesOf(await run(hub, { x, flag: new Tensor('bool', [flag], []) }), 'y'))
  }
  return rounds
}

function valuesOf(
  outputs: Readonly<Record<string, { readonly data: Tensor['data'] }>>,
  name: string,
): number[] {
  return Array.from(outputs[name]?.data ?? [], Number)
}
