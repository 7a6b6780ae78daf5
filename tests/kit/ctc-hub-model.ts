import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { float32 } from '#engines/onnx/tensors.ts'
import { encodeModel } from '#engines/onnx/write-model.ts'
import { TONE_TOKENS } from './tone-speech.ts'

/**
 * The language of tones for a model in the layout of wav2vec2's exports: `input_values` of unit variance in, `logits` out, a
 * frame of 400 samples each 320, the vocabulary of the English models. Hand-made weights transcribe it exactly, however loud
 * it was: each tone's share of the frame's energy is its logit.
 */
const RATE = 16_000
const HOP = 320
const REACH = 400
/** Of a tone that is alone. */
const SHARPNESS = 36
/** Wins below a third of the energy. */
const BLANK_LOGIT = 12
/** Energy, after normalisation, that is as good as silence. */
const SILENCE = 0.3

export const HUB_TOKENS = ['<pad>', '<s>', '</s>', '<unk>', '|', ..."ETAONIHSRDLUMWCFGYPBVK'XJQZ"]

export const HUB_CONFIG = {
  architectures: ['Wav2Vec2ForCTC'],
  model_type: 'wav2vec2',
  vocab_size: HUB_TOKENS.length,
  pad_token_id: 0,
  conv_kernel: [10, 3, 3, 3, 3, 2, 2],
  conv_stride: [5, 2, 2, 2, 2, 2, 2],
  hidden_size: 768,
}
export const HUB_VOCABULARY = Object.fromEntries(HUB_TOKENS.map((token, index) => [token, index]))
export const HUB_PREPROCESSOR = {
  do_normalize: true,
  feature_extractor_type: 'Wav2Vec2FeatureExtractor',
  feature_size: 1,
  padding_value: 0,
  return_attention_mask: false,
  sampling_rate: RATE,
}
export const HUB_TOKENIZER = {
  bos_token: '<s>',
  eos_token: '</s>',
  unk_token: '<unk>',
  pad_token: '<pad>',
  word_delimiter_token: '|',
  do_lower_case: false,
  tokenizer_class: 'Wav2Vec2CTCTokenizer',
}

/** Files by name: an object is JSON, null leaves a file out. */
export type HubFiles = Readonly<Record<string, object | string | Uint8Array | null>>

/** A model folder, with other files in place of its own. */
export function writeHubModel(folder: string, files: HubFiles = {}): string {
  const all: HubFiles = {
    'config.json': HUB_CONFIG,
    'preprocessor_config.json': HUB_PREPROCESSOR,
    'tokenizer_config.json': HUB_TOKENIZER,
    'vocab.json': HUB_VOCABULARY,
    'onnx/model.onnx': hubNetwork(),
    ...files,
  }
  for (const [name, content] of Object.entries(all)) {
    if (content === null) continue
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    const isPlain = typeof content === 'string' || content instanceof Uint8Array
    writeFileSync(path, isPlain ? content : JSON.stringify(content))
  }
  return folder
}

/** `masked`: it has the input `attention_mask`, and hears only what that says. */
export function hubNetwork({ masked = false }: { readonly masked?: boolean } = {}): Uint8Array {
  const tones = TONE_TOKENS.length - 1
  const graph = graphBuilder('hub-tones', { '': 16 })
  const input = graph.input('input_values', 'float32', ['batch_size', 'sequence_length'])
  const mask = masked ? graph.input('attention_mask', 'int64', ['batch_size', 'sequence_length']) : null
  const heard =
    mask === null ? input : graph.node('Mul', [input, graph.node('Cast', [mask], { attributes: { to: 1 } })])
  const channel = graph.node('Unsqueeze', [heard, graph.ints(1)])
  const waves = graph.weight(float32('waves', [2 * tones, 1, REACH], toneWaves(tones)))
  const parts = graph.node('Conv', [channel, waves], { attributes: { strides: [HOP] } })
  const squares = graph.node('Mul', [parts, parts])
  const energies = graph.node('Conv', [
    squares,
    graph.weight(float32('pairs', [tones, 2 * tones, 1], pairs(tones))),
  ])
  const total = graph.node('ReduceSum', [energies, graph.ints(1)])
  const floor = graph.weight(float32('silence', [1], Float32Array.of(SILENCE)))
  const shares = graph.node('Div', [energies, graph.node('Add', [total, floor])])
  const mixing = graph.weight(float32('mix', [HUB_TOKENS.length, tones, 1], mix(tones)))
  const bias = new Float32Array(HUB_TOKENS.length)
  bias[0] = BLANK_LOGIT
  const logits = graph.node('Conv', [
    shares,
    mixing,
    graph.weight(float32('bias', [HUB_TOKENS.length], bias)),
  ])
  const byFrame = graph.node('Transpose', [logits], { attributes: { perm: [0, 2, 1] }, as: 'logits' })
  graph.output('logits', byFrame, 'float32', ['batch_size', 'frames', HUB_TOKENS.length])
  return encodeModel(graph.model())
}

/** Each tone's cosine and sine under a Hann window, with full response 1 to a tone of amplitude 1. */
function toneWaves(tones: number): Float32Array {
  const waves = new Float32Array(2 * tones * REACH)
  for (let tone = 0; tone < tones; tone++) {
    // As tone-speech.ts: 200 Hz apart.
    const hertz = 400 + 200 * (tone + 1)
    for (let at = 0; at < REACH; at++) {
      const window = ((1 - Math.cos((2 * Math.PI * (at + 0.5)) / REACH)) * 2) / REACH
      const angle = (2 * Math.PI * hertz * at) / RATE
      waves[tone * REACH + at] = window * Math.cos(angle)
      waves[(tones + tone) * REACH + at] = window * Math.sin(angle)
    }
  }
  return waves
}

function pairs(tones: number): Float32Array {
  const sums = new Float32Array(tones * 2 * tones)
  for (let tone = 0; tone < tones; tone++) {
    sums[tone * 2 * tones + tone] = 1
    sums[tone * 2 * tones + tones + tone] = 1
  }
  return sums
}

/** From tones in the order of `TONE_TOKENS` to outputs in the order of `HUB_TOKENS`. */
function mix(tones: number): Float32Array {
  const weights = new Float32Array(HUB_TOKENS.length * tones)
  for (let tone = 0; tone < tones; tone++) {
    const letter = TONE_TOKENS[tone + 1] ?? ''
    const output = HUB_TOKENS.indexOf(letter === ' ' ? '|' : letter.toUpperCase())
    weights[output * tones + tone] = SHARPNESS
  }
  return weights
}
