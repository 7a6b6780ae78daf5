import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OnnxModel } from '#engines/onnx/graph.ts'
import { encodeModel, writeModelFile } from '#engines/onnx/write-model.ts'
import {
  decoderNetwork,
  encoderNetwork,
  SOURCE_POSITIONS,
  TARGET_POSITIONS,
  type WhisperSizes,
} from './whisper-network.ts'
import { ENDINGS, type InPrecision, modelIn, weightsIn } from './whisper-precision.ts'
import {
  generationConfig,
  TOKENIZER_CONFIG,
  tokenizerJson,
  type WhisperVocabulary,
  whisperVocabulary,
} from './whisper-vocabulary.ts'
import { ByteWeights, FloatWeights } from './whisper-weights.ts'

/** Whisper folders in the public hub layout, with random weights: the true interface, no sense in the text. */
export interface RandomWhisper extends InPrecision {
  readonly seed: number
  readonly languages?: readonly string[]
  readonly melBins?: number
  readonly crossAttentions?: boolean
}

export const TINY_HEADS = 2

/** Two layers of each: 1.5 MB. */
export function writeRandomWhisper(folder: string, options: RandomWhisper): WhisperVocabulary {
  const { seed, languages, melBins = 80, crossAttentions = true } = options
  const vocabulary = whisperVocabulary({
    merges: WORDS,
    textTokens: 400,
    ...(languages === undefined ? {} : { languages }),
  })
  const sizes: WhisperSizes = {
    d_model: 32,
    heads: TINY_HEADS,
    encoder_layers: 2,
    decoder_layers: 2,
    ffn_dim: 64,
    num_mel_bins: melBins,
    vocab_size: vocabulary.size,
  }
  const heads = [
    [0, 1],
    [1, 0],
    [1, 1],
  ] as const
  writeWhisperFolder(folder, {
    vocabulary,
    config: configOf(sizes),
    melBins,
    alignmentHeads: heads,
    suppressed: vocabulary.text.flatMap((token, id) => (isMark(token) ? [id] : [])),
    encoder: encodeModel(modelIn(options, encoderNetwork(sizes, weightsIn(options, seed)))),
    decoder: encodeModel(
      modelIn(options, decoderNetwork(sizes, weightsIn(options, seed + 1, false), crossAttentions)),
    ),
    ending: ENDINGS[options.precision ?? 'fp32'],
  })
  return vocabulary
}

export interface WhisperFolder {
  readonly vocabulary: WhisperVocabulary
  readonly config: Record<string, unknown>
  readonly melBins: number
  readonly alignmentHeads: readonly (readonly [number, number])[]
  readonly encoder: Uint8Array
  readonly decoder: Uint8Array
  /** Of both files' names: their precision. */
  readonly ending?: string
  /** Beside those that steer. */
  readonly suppressed?: readonly number[]
}

export function writeWhisperFolder(folder: string, files: WhisperFolder): void {
  writeConfigs(folder, files)
  const { encoder, decoder, ending = '' } = files
  writeFileSync(join(folder, 'onnx', `encoder_model${ending}.onnx`), encoder)
  writeFileSync(join(folder, 'onnx', `decoder_model_merged${ending}.onnx`), decoder)
}

function writeConfigs(folder: string, files: Omit<WhisperFolder, 'encoder' | 'decoder'>): void {
  mkdirSync(join(folder, 'onnx'), { recursive: true })
  const { vocabulary, config, melBins, alignmentHeads } = files
  const generation = generationConfig(vocabulary, alignmentHeads, files.suppressed)
  const write = (name: string, value: object) => writeFileSync(join(folder, name), JSON.stringify(value))
  write('config.json', {
    ...config,
    vocab_size: vocabulary.size,
    decoder_start_token_id: vocabulary.id('<|startoftranscript|>'),
    eos_token_id: vocabulary.id('<|endoftext|>'),
  })
  write('generation_config.json', generation)
  write('tokenizer.json', tokenizerJson(vocabulary))
  write('tokenizer_config.json', TOKENIZER_CONFIG)
  write('preprocessor_config.json', {
    chunk_length: 30,
    feature_extractor_type: 'WhisperFeatureExtractor',
    feature_size: melBins,
    hop_length: 160,
    n_fft: 400,
    n_samples: 480_000,
    nb_max_frames: 3000,
    padding_side: 'right',
    padding_value: 0,
    processor_class: 'WhisperProcessor',
    return_attention_mask: false,
    sampling_rate: 16_000,
  })
}

/** `config.json` of a network of these sizes, as the published ones call the fields. */
export function configOf(sizes: WhisperSizes): Record<string, unknown> {
  return {
    model_type: 'whisper',
    architectures: ['WhisperForConditionalGeneration'],
    is_encoder_decoder: true,
    d_model: sizes.d_model,
    encoder_layers: sizes.encoder_layers,
    decoder_layers: sizes.decoder_layers,
    encoder_attention_heads: sizes.heads,
    decoder_attention_heads: sizes.heads,
    encoder_ffn_dim: sizes.ffn_dim,
    decoder_ffn_dim: sizes.ffn_dim,
    num_mel_bins: sizes.num_mel_bins,
    max_source_positions: SOURCE_POSITIONS,
    max_target_positions: TARGET_POSITIONS,
    median_filter_width: 7,
  }
}

const BASE: Omit<WhisperSizes, 'vocab_size'> = {
  d_model: 512,
  heads: 8,
  encoder_layers: 6,
  decoder_layers: 6,
  ffn_dim: 2048,
  num_mel_bins: 80,
}

/**
 * A folder with a network of Whisper-base's sizes (290 MB of floats, and both halves in 8 bits), made once a machine. The
 * folder is `variant`'s: `float`, or `int8`, or floats for the encoder and 8 bits for the decoder.
 */
export async function baseWhisper(variant: 'float' | 'int8' | 'int8-decoder'): Promise<string> {
  const root = join(tmpdir(), 'dalston-whisper-base-1')
  const folder = join(root, variant)
  if (existsSync(folder)) return folder
  const partial = `${folder}.${process.pid}`
  rmSync(partial, { recursive: true, force: true })
  const vocabulary = whisperVocabulary({ merges: WORDS, textTokens: 50_257, languages: LANGUAGES })
  const sizes = { ...BASE, vocab_size: vocabulary.size }
  const alignmentHeads = [2, 3, 4, 5].flatMap((layer) => [[layer, 1] as const, [layer, 5] as const])
  writeConfigs(partial, { vocabulary, config: configOf(sizes), melBins: 80, alignmentHeads })
  const encoder = (isInt8: boolean): OnnxModel =>
    encoderNetwork(sizes, isInt8 ? new ByteWeights(1) : new FloatWeights(1))
  const decoder = (isInt8: boolean): OnnxModel =>
    decoderNetwork(sizes, isInt8 ? new ByteWeights(2) : new FloatWeights(2), false)
  const isInt8 = { encoder: variant === 'int8', decoder: variant !== 'float' }
  const name = (stem: string, quantized: boolean) =>
    join(partial, 'onnx', `${stem}${quantized ? '_quantized' : ''}.onnx`)
  await writeModelFile(name('encoder_model', isInt8.encoder), encoder(isInt8.encoder))
  await writeModelFile(name('decoder_model_merged', isInt8.decoder), decoder(isInt8.decoder))
  renameSync(partial, folder)
  return folder
}

/** Punctuation by itself, which the published models leave out as well. */
function isMark(token: string): boolean {
  return /^[!-/:-@[-`{-~¡-¿]$/.test(token)
}

/** Merges that a random text meets now and then. */
const WORDS: readonly (readonly [string, string])[] = [
  ...Array.from('abcdefghijklmnopqrstuvwxyz', (letter) => ['Ġ', letter] as const),
  ['t', 'h'],
  ['h', 'e'],
  ['th', 'e'],
  ['Ġt', 'he'],
  ['a', 'n'],
]

/** As many as the published multilingual models have. */
const LANGUAGES = [
  'en',
  'de',
  'fr',
  'zh',
  ...Array.from({ length: 95 }, (_, index) => {
    const [first, second] = [Math.floor(index / 26), index % 26]
    return `q${String.fromCharCode(97 + first)}${String.fromCharCode(97 + second)}`
  }),
]
