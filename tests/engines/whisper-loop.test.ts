import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { OnnxGraph, OnnxNode } from '#engines/onnx/graph.ts'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { decodeModel } from '#engines/onnx/read-model.ts'
import { writeModelFile } from '#engines/onnx/write-model.ts'
import { generate } from '#engines/whisper/generate.ts'
import { splitMerged } from '#engines/whisper/merged-decoder.ts'
import { loadModel, releaseModel } from '#engines/whisper/model-folder.ts'
import { modelFilesIn } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { writeRandomWhisper } from '#tests/kit/whisper-models.ts'
import { allTextFrom, expectSame, greedyRequest, heardIn, noiseOf } from '#tests/kit/whisper-requests.ts'
import { whisperTones, writeWhisperToneModel } from '#tests/kit/whisper-tones.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const DECODER = 'onnx/decoder_model_merged.onnx'

function randomFolder(seed: number): string {
  const path = folder.fresh('random')
  writeRandomWhisper(path, { seed })
  return path
}

function loopsIn(path: string): string[] {
  return readdirSync(join(path, 'onnx')).filter((name) => name.startsWith('.loop-'))
}

describe('a decoder that writes by itself', () => {
  const ROWS = 3

  it('[WH18] writes what its steps write: tokens, probabilities, attention', async () => {
    for (const seed of [1, 2]) {
      const model = await loadModel(modelFilesIn(randomFolder(seed)))
      expect(model.decoder.writesAlone).toBe(true)
      const hidden = await heardIn(model, ROWS, noiseOf)
      const suppressed = allTextFrom(model, 12)
      for (const rules of [
        model.rules,
        { ...model.rules, suppressed },
        { ...model.rules, suppressed, isMonotonic: false },
      ]) {
        const request = greedyRequest(model, hidden, { rules })
        const steps = await generate(model.decoder, request, 'step by step')
        for (const [row, ours] of (await generate(model.decoder, request)).entries())
          expectSame(ours, steps[row])
      }
      await releaseModel(model)
    }
  })

  it('[WH18] rows end where they end step by step', async () => {
    const path = folder.fresh('tones')
    writeWhisperToneModel(path)
    const model = await loadModel(modelFilesIn(path))
    const texts = ['cat', 'the cat sat on the mat so it was', 'so it was']
    const hidden = await heardIn(model, ROWS, (row) => whisperTones([texts[row] ?? '']))
    const request = greedyRequest(model, hidden)
    const steps = await generate(model.decoder, request, 'step by step')
    const alone = await generate(model.decoder, request)
    for (const [row, ours] of alone.entries()) {
      expectSame(ours, steps[row])
      expect(model.textOf(ours.tokens).trim()).toBe(texts[row])
    }
    await releaseModel(model)
  })

  it('[WH18] half floats and renamed outputs are no hindrance', async () => {
    for (const isHalf of [false, true]) {
      const path = folder.fresh('tones')
      writeWhisperToneModel(path, { isHalf })
      const model = await loadModel(modelFilesIn(path))
      expect(model.decoder.writesAlone).toBe(true)
      await releaseModel(model)
    }
  })

  it('[WH18] its graph is made once, has no weights of its own, and is made anew for another file', async () => {
    const path = randomFolder(5)
    await releaseModel(await loadModel(modelFilesIn(path)))
    const [first = ''] = loopsIn(path)
    const made = statSync(join(path, 'onnx', first))
    expect(made.size).toBeLessThan(statSync(join(path, DECODER)).size / 4)

    await releaseModel(await loadModel(modelFilesIn(path)))
    expect(loopsIn(path)).toEqual([first])
    expect(statSync(join(path, 'onnx', first)).mtimeMs).toBe(made.mtimeMs)

    utimesSync(join(path, DECODER), 1, 1)
    await releaseModel(await loadModel(modelFilesIn(path)))
    expect(loopsIn(path)).toHaveLength(1)
    expect(loopsIn(path)).not.toEqual([first])
  })

  it('[WH18] a graph that is no graph any more is made anew', async () => {
    const path = randomFolder(6)
    await releaseModel(await loadModel(modelFilesIn(path)))
    const [name = ''] = loopsIn(path)
    const whole = readFileSync(join(path, 'onnx', name))
    rmSync(join(path, 'onnx', name))
    const other = graphBuilder('other')
    other.output('same', other.input('value', 'float32', [1]), 'float32', [1])
    await writeModelFile(join(path, 'onnx', name), other.model())
    const model = await loadModel(modelFilesIn(path))
    expect(model.decoder.writesAlone).toBe(true)
    expect(readFileSync(join(path, 'onnx', name)).equals(whole)).toBe(true)
    await releaseModel(model)
  })

  it('[WH18] where it cannot be written, the decoder is asked step by step', async () => {
    const path = randomFolder(7)
    await releaseModel(await loadModel(modelFilesIn(path)))
    const [name = ''] = loopsIn(path)
    rmSync(join(path, 'onnx', name))
    mkdirSync(join(path, 'onnx', `${name}.unproven-${process.pid}`, 'in the way'), { recursive: true })
    const model = await loadModel(modelFilesIn(path))
    expect(model.decoder.writesAlone).toBe(false)
    await releaseModel(model)
  })

  const odd: readonly (readonly [string, (graph: OnnxGraph) => OnnxGraph])[] = [
    ['another choice', (graph) => withChoice(graph, (node) => ({ ...node, inputs: ['other'] }))],
    [
      'two choices',
      (graph) => ({
        ...graph,
        nodes: graph.nodes.flatMap((node) => (isChoice(node) ? [node, node] : [node])),
      }),
    ],
    ['no choice', (graph) => ({ ...graph, nodes: graph.nodes.filter((node) => !isChoice(node)) })],
  ]
  it.each(odd)('[WH18] a decoder that is built otherwise is asked step by step: %s', (_, change) => {
    const model = decodeModel(readFileSync(join(randomFolder(8), DECODER)))
    expect(splitMerged(model)).not.toBeNull()
    expect(splitMerged({ ...model, graph: change(model.graph) })).toBeNull()
  })

  it('[WH18] a decoder whose halves do not say the same is asked step by step', async () => {
    const path = randomFolder(9)
    const model = decodeModel(readFileSync(join(path, DECODER)))
    // Behind a prefix it says the opposite of what it says step by step.
    await writeModelFile(join(path, DECODER), { ...model, graph: withChoice(model.graph, contradicting) })
    const loaded = await loadModel(modelFilesIn(path))
    expect(loaded.decoder.writesAlone).toBe(false)
    expect(loopsIn(path)).toEqual([])
    await releaseModel(loaded)
  })
})

function isChoice(node: OnnxNode): boolean {
  return node.operator === 'If'
}

function withChoice(graph: OnnxGraph, change: (node: OnnxNode) => OnnxNode): OnnxGraph {
  return { ...graph, nodes: graph.nodes.map((node) => (isChoice(node) ? change(node) : node)) }
}

function contradicting(node: OnnxNode): OnnxNode {
  const branch = node.attributes?.then_branch
  if (branch?.kind !== 'graph') throw new Error('expected a branch')
  const [logits, ...others] = branch.value.outputs
  const value = {
    ...branch.value,
    nodes: [...branch.value.nodes, { operator: 'Neg', inputs: [logits?.name ?? ''], outputs: ['opposite'] }],
    outputs: [{ name: 'opposite' }, ...others],
  }
  return { ...node, attributes: { ...node.attributes, then_branch: { kind: 'graph', value } } }
}
