import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { OnnxModel } from '#engines/onnx/graph.ts'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { float32 } from '#engines/onnx/tensors.ts'
import { encodeModel } from '#engines/onnx/write-model.ts'
import type { DecoderKind } from '#engines/parakeet/model-config.ts'
import { decoderJoint, randomWeights, type TransducerShape } from './parakeet-networks.ts'
import { seeded } from './seeded.ts'

/** Model folders in the public hub layout with random weights: the true interface, and nonsense for text. */
export interface RandomModel {
  readonly kind: DecoderKind
  readonly shape: TransducerShape
  readonly features: number
  readonly seed: number
  readonly blankBias: number
}

export const TINY: Omit<TransducerShape, 'durations'> = {
  tokens: 40,
  encoderSize: 24,
  hidden: 16,
  layers: 2,
  joint: 20,
}

/** parakeet-tdt-0.6b-v3, but for its encoder: `decoder_joint` is 73 MB. */
export const REAL_TDT: TransducerShape = {
  tokens: 8193,
  durations: 5,
  encoderSize: 1024,
  hidden: 640,
  layers: 2,
  joint: 640,
}

const REAL_MODEL: RandomModel = { kind: 'tdt', shape: REAL_TDT, features: 128, seed: 11, blankBias: 4 }
/** Raise it when what is written changes. */
const REAL_VERSION = 1
const CACHE = fileURLToPath(new URL('../.tmp/models/', import.meta.url))

/** The folder of a model of real size, made once and kept where git does not look. */
export function realModel(): string {
  const folder = join(CACHE, `parakeet-tdt-v${REAL_VERSION}`)
  if (existsSync(folder)) return folder
  const making = `${folder}.${process.pid}`
  writeRandomModel(making, REAL_MODEL)
  renameSync(making, folder)
  return folder
}

export function tinyModel(kind: DecoderKind, seed: number): RandomModel {
  return { kind, shape: { ...TINY, durations: kind === 'tdt' ? 5 : 0 }, features: 80, seed, blankBias: 2.5 }
}

/** All files of a model, in a folder that it makes. */
export function writeRandomModel(folder: string, model: RandomModel): string {
  mkdirSync(folder, { recursive: true })
  const { kind, shape, features } = model
  const random = seeded(model.seed)
  writeFileSync(join(folder, 'config.json'), configOf(kind, features))
  writeFileSync(join(folder, 'vocab.txt'), randomVocabulary(shape.tokens))
  if (kind === 'ctc') {
    writeFileSync(
      join(folder, 'model.onnx'),
      encodeModel(randomCtc(features, shape.tokens, random, model.blankBias)),
    )
    return folder
  }
  writeFileSync(
    join(folder, 'encoder-model.onnx'),
    encodeModel(randomEncoder(features, shape.encoderSize, random)),
  )
  const weights = randomWeights(shape, random, model.blankBias)
  writeFileSync(join(folder, 'decoder_joint-model.onnx'), encodeModel(decoderJoint(shape, weights)))
  return folder
}

export function configOf(kind: DecoderKind, features: number, more: object = {}): string {
  const config = { model_type: `nemo-conformer-${kind}`, features_size: features, subsampling_factor: 8 }
  return JSON.stringify({ ...config, ...more })
}

/** One token a line, every third the start of a word, and marks. */
export function randomVocabulary(tokens: number): string {
  const lines = Array.from({ length: tokens - 1 }, (_, id) => {
    if (id === 0) return `<unk> 0`
    if (id === 1) return `. 1`
    const letters = `${String.fromCharCode(97 + (id % 26))}${id}`
    return `${id % 3 === 0 ? '▁' : ''}${letters} ${id}`
  })
  return `${[...lines, `<blk> ${tokens - 1}`].join('\n')}\n`
}

/** Subsampling by 8 with one convolution: [batch][features][time] → [batch][size][⌈time / 8⌉]. */
export function randomEncoder(features: number, size: number, random: () => number): OnnxModel {
  const graph = graphBuilder('encoder')
  const encoded = subsampled(graph, features, size, random)
  graph.output('outputs', graph.node('Tanh', [encoded.values]), 'float32', ['batch', size, 'frames'])
  graph.output('encoded_lengths', encoded.lengths, 'int64', ['batch'])
  return graph.model()
}

function randomCtc(features: number, tokens: number, random: () => number, blankBias: number): OnnxModel {
  const graph = graphBuilder('ctc')
  const { values } = subsampled(graph, features, tokens, random)
  const bias = new Float32Array(tokens)
  bias[tokens - 1] = blankBias
  const rows = graph.node('Transpose', [values], { attributes: { perm: [0, 2, 1] } })
  const logits = graph.node('Add', [rows, graph.weight(float32('bias', [tokens], bias))])
  graph.output('logprobs', graph.node('LogSoftmax', [logits], { attributes: { axis: -1 } }), 'float32', [
    'batch',
    'frames',
    tokens,
  ])
  return graph.model()
}

function subsampled(
  graph: ReturnType<typeof graphBuilder>,
  features: number,
  size: number,
  random: () => number,
) {
  const audio = graph.input('audio_signal', 'float32', ['batch', features, 'time'])
  const length = graph.input('length', 'int64', ['batch'])
  const data = Float32Array.from({ length: size * features * 8 }, () => (random() - 0.5) / 4)
  const weights = graph.weight(float32('subsampling', [size, features, 8], data))
  const values = graph.node('Conv', [audio, weights], { attributes: { strides: [8], pads: [0, 7] } })
  return { values, lengths: encodedLengths(graph, length) }
}

/** ⌈length / 8⌉. */
export function encodedLengths(graph: ReturnType<typeof graphBuilder>, length: string): string {
  return graph.node('Div', [graph.node('Add', [length, graph.int(7)]), graph.int(8)])
}
