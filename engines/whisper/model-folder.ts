import type { z } from 'zod'
import type { ModelFiles } from '../engine.ts'
import { whisperLogMelModel } from '../onnx/log-mel.ts'
import { openModel } from '../onnx/runtime.ts'
import { type BytePairCodec, bytePairCodec } from '../text/bpe.ts'
import type { Decoder } from './decoder.ts'
import { Encoder } from './encoder.ts'
import { FIRST_TIMESTAMP_LIMIT, type LogitRules } from './logit-rules.ts'
import { FeatureConfig, GenerationConfig, NetworkConfig, parseFields } from './model-config.ts'
import { invalidModel, messageOf, networkFile, readNeeded, readOptional } from './model-files.ts'
import { openDecoder, openNetwork } from './open-decoder.ts'
import { type SpecialTokens, specialTokens } from './special-tokens.ts'
import type { Head } from './step-attention.ts'

/** A loaded model: both halves of the network, and what turns text into its tokens and back. */
export interface WhisperModel {
  readonly config: NetworkConfig
  readonly tokens: SpecialTokens
  readonly encodeText: (text: string) => number[]
  /** Of what was written, the text: timestamps and special tokens are left out. */
  readonly textOf: (tokens: readonly number[]) => string
  readonly rules: LogitRules
  readonly encoder: Encoder
  readonly decoder: Decoder
  /** The heads that follow the sound, where the files name them and the decoder gives them out; else there are no word times. */
  readonly heads: readonly Head[]
  /** How wide a batch may be: a GPU takes more, a CPU has its full speed with these. */
  readonly batchSize: number
}

/** Rows of a batch, and what the encoder's keys and values of all of them may take: 0.5 GB a row in the largest networks. */
const ON_CPU = { rows: 8, bytes: 2 ** 30 }
const ON_GPU = { rows: 24, bytes: 2 ** 32 }

/**
 * Reads a folder in the public hub layout (README.md). Throws an `EngineError`: `invalid_model`, which names file and field,
 * or `out_of_memory`.
 */
export async function loadModel(files: ModelFiles): Promise<WhisperModel> {
  const config = await parsed(files, 'config.json', NetworkConfig)
  const generation = await parsed(files, 'generation_config.json', GenerationConfig)
  await checkFeatures(files, config)
  const codec = await readCodec(files)
  const special = specialTokens(generation, codec.lookup, config.vocab_size)
  if ('problem' in special) throw invalidModel(files, 'generation_config.json', special.problem)
  const { tokens } = special
  const encoderFile = await networkFile(files, 'encoder_model')
  const decoderFile = await networkFile(files, 'decoder_model_merged')
  await using opened = new AsyncDisposableStack()
  const encoderSession = await openNetwork(files, encoderFile)
  opened.defer(() => encoderSession.release())
  const problem = Encoder.interfaceProblem(encoderSession, config)
  if (problem !== null) throw invalidModel(files, encoderFile, problem)
  const rules = rulesOf(generation, tokens, config)
  const decoder = await openDecoder({ files, file: decoderFile, config, rules })
  opened.defer(() => decoder.release())
  // The front end is so small that a device would only cost the way there and back.
  const mel = await openModel(whisperLogMelModel(config.num_mel_bins), {
    threads: files.threads,
    memoryPattern: true,
  })
  opened.move()
  return {
    config,
    tokens,
    encodeText: codec.encode,
    textOf: (written) => codec.decode(written.filter((token) => token < tokens.endOfText)),
    rules,
    encoder: new Encoder(mel, encoderSession, config, encoderFile),
    decoder,
    heads: headsOf(generation, decoder, config),
    batchSize: batchSizeOf(files.device === 'cpu' ? ON_CPU : ON_GPU, decoder),
  }
}

export async function releaseModel(model: WhisperModel): Promise<void> {
  await model.encoder.release()
  await model.decoder.release()
}

/** How many rows fit, at least one. */
export function batchSizeOf(
  most: { readonly rows: number; readonly bytes: number },
  { shape }: Decoder,
): number {
  const { layers, heads, headSize, encoderPositions, pastType } = shape
  const rowBytes = 2 * layers * heads * headSize * encoderPositions * (pastType === 'float16' ? 2 : 4)
  return Math.max(1, Math.min(most.rows, Math.floor(most.bytes / rowBytes)))
}

async function parsed<Schema extends z.ZodType>(
  files: ModelFiles,
  file: string,
  schema: Schema,
): Promise<z.infer<Schema>> {
  const result = parseFields(schema, await readNeeded(files, file))
  if ('problem' in result) throw invalidModel(files, file, result.problem)
  return result.value
}

/** The front end is built here: a model that needs another one is refused. */
async function checkFeatures(files: ModelFiles, config: NetworkConfig): Promise<void> {
  const file = 'preprocessor_config.json'
  const text = await readOptional(files, file)
  const result = parseFields(FeatureConfig, text ?? JSON.stringify({ feature_size: config.num_mel_bins }))
  if ('problem' in result) throw invalidModel(files, file, result.problem)
  if (result.value.feature_size !== config.num_mel_bins)
    throw invalidModel(
      files,
      file,
      `feature_size: expected ${config.num_mel_bins} as config.json's num_mel_bins, came ${result.value.feature_size}`,
    )
}

async function readCodec(files: ModelFiles): Promise<BytePairCodec> {
  const file = 'tokenizer.json'
  const tokenizer = jsonObject(files, file, await readNeeded(files, file))
  const settings = await readOptional(files, 'tokenizer_config.json')
  const config = settings === null ? {} : jsonObject(files, 'tokenizer_config.json', settings)
  try {
    return bytePairCodec(tokenizer, config)
  } catch (error) {
    throw invalidModel(files, file, `is no tokenizer: ${messageOf(error)}`, error)
  }
}

function jsonObject(files: ModelFiles, file: string, text: string): object {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw invalidModel(files, file, `is no JSON: ${messageOf(error)}`, error)
  }
  if (typeof value !== 'object' || value === null) throw invalidModel(files, file, 'expected an object')
  return value
}

function rulesOf(generation: GenerationConfig, tokens: SpecialTokens, config: NetworkConfig): LogitRules {
  const isToken = (id: number) => id >= 0
  // What steers the decoder is never text, whatever the files say; so the reference has it.
  const steering = [tokens.startOfTranscript, tokens.startOfPrevious, tokens.noSpeech].filter(
    (id) => id !== null,
  )
  return {
    tokens: {
      endOfText: tokens.endOfText,
      noTimestamps: tokens.noTimestamps,
      firstTimestamp: tokens.firstTimestamp,
      vocabularySize: config.vocab_size,
    },
    suppressed: Int32Array.from([...(generation.suppress_tokens ?? []).filter(isToken), ...steering]),
    suppressedFirst: Int32Array.from((generation.begin_suppress_tokens ?? []).filter(isToken)),
    firstTimestampLimit: generation.max_initial_timestamp_index ?? FIRST_TIMESTAMP_LIMIT,
    isMonotonic: true,
  }
}

function headsOf(generation: GenerationConfig, decoder: Decoder, config: NetworkConfig): Head[] {
  const heads = generation.alignment_heads ?? []
  const isThere = ([layer, head]: Head) =>
    decoder.shape.attentionLayers.includes(layer) && head < config.decoder_attention_heads
  return heads.every(isThere) ? heads : []
}
