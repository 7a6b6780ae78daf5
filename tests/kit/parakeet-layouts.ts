import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OnnxModel } from '#engines/onnx/graph.ts'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { float32 } from '#engines/onnx/tensors.ts'
import { encodeModel } from '#engines/onnx/write-model.ts'
import { configOf, encodedLengths, randomVocabulary } from './parakeet-models.ts'
import {
  decoderJoint,
  sherpaDecoder,
  sherpaJoiner,
  type TransducerShape,
  type TransducerWeights,
} from './parakeet-networks.ts'

/** One transducer, written as both layouts have it. */
export interface Layouts {
  readonly hub: string
  readonly sherpa: string
}

/** How many tokens sherpa-onnx writes in one frame at most (`offline-transducer-greedy-search-nemo-decoder.cc`). */
export const SHERPA_MOST_TOKENS = { tdt: 5, rnnt: 10 } as const

export function writeLayouts(
  folder: string,
  features: number,
  encoder: OnnxModel,
  shape: TransducerShape,
  weights: TransducerWeights,
): Layouts {
  const vocabulary = randomVocabulary(shape.tokens)
  const [hub, sherpa] = [join(folder, 'hub'), join(folder, 'sherpa')]
  const kind = shape.durations > 0 ? 'tdt' : 'rnnt'
  const config = configOf(kind, features, { max_tokens_per_step: SHERPA_MOST_TOKENS[kind] })
  write(hub, {
    'config.json': config,
    'vocab.txt': vocabulary,
    'encoder-model.onnx': encodeModel(encoder),
    'decoder_joint-model.onnx': encodeModel(decoderJoint(shape, weights)),
  })
  // What scripts/nemo/parakeet-tdt-0.6b-v3/export_onnx.py of sherpa-onnx adds.
  const metadata = {
    vocab_size: String(shape.tokens - 1),
    normalize_type: 'per_feature',
    pred_rnn_layers: String(shape.layers),
    pred_hidden: String(shape.hidden),
    subsampling_factor: '8',
    model_type: 'EncDecRNNTBPEModel',
    version: '2',
    model_author: 'NeMo',
    feat_dim: String(features),
    // By this sherpa-onnx tells the kinds apart.
    url: kind,
  }
  write(sherpa, {
    'tokens.txt': vocabulary,
    'encoder.onnx': encodeModel({ ...encoder, metadata }),
    'decoder.onnx': encodeModel(sherpaDecoder(shape, weights)),
    'joiner.onnx': encodeModel(sherpaJoiner(shape, weights)),
  })
  return { hub, sherpa }
}

/**
 * An encoder that hears how long the sound is and nothing else: what it says is noise of its own. The peer's front end is
 * Kaldi's, so features differ; with this, both searches get the same to the last bit.
 */
export function deafEncoder(features: number, size: number, frames: number, random: () => number): OnnxModel {
  const graph = graphBuilder('deaf-encoder')
  graph.input('audio_signal', 'float32', ['batch', features, 'time'])
  const length = graph.input('length', 'int64', ['batch'])
  const data = Float32Array.from({ length: size * frames }, () => random() * 2 - 1)
  const noise = graph.weight(float32('noise', [1, size, frames], data))
  const lengths = encodedLengths(graph, length)
  const heard = graph.node('Slice', [noise, graph.ints(0), lengths, graph.ints(2)])
  graph.output('outputs', heard, 'float32', ['batch', size, 'frames'])
  graph.output('encoded_lengths', lengths, 'int64', ['batch'])
  return graph.model()
}

function write(folder: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  mkdirSync(folder, { recursive: true })
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
}
