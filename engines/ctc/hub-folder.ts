import type { z } from 'zod'
import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import { Language } from '#protocol/language.ts'
import type { ModelFiles } from '../engine.ts'
import { convolutionGeometry, HubConfig, PreprocessorConfig, TokenizerConfig } from './hub-config.ts'
import { hubVocabulary, VocabularyFile } from './hub-vocabulary.ts'
import { issuesOf, jsonOf, ModelConfig } from './model-config.ts'
import { invalidModel, namesIn, readNeeded, readOptional } from './model-files.ts'
import type { FolderConfig } from './model-folder.ts'

/**
 * How far a window reads beyond its edges: every frame hears all of its window, but what is two seconds away says little, and
 * the position network reaches 1.3 s.
 */
const CONTEXT_SECONDS = 2

/** For a lexicon that was put beside an export, and for hot words. */
const DECODER = { beam_width: 64, language_model_weight: 0.5, word_bonus: 0, token_log_prob_floor: -10 }

/** Of several precisions in one folder the first of these is taken. */
const NETWORKS = ['', '_quantized', '_int8', '_uint8', '_fp16', '_q4', '_q4f16', '_bnb4'].flatMap(
  (suffix) => [`onnx/model${suffix}.onnx`, `model${suffix}.onnx`],
)

/** Reads the files of an export of wav2vec2 or its kin in the public hub layout. */
export async function readHubFolder(files: ModelFiles, value: unknown): Promise<FolderConfig> {
  const hub = checked(files, 'config.json', HubConfig, value)
  const preprocessor = await read(files, 'preprocessor_config.json', PreprocessorConfig)
  const tokenizer = checked(
    files,
    'tokenizer_config.json',
    TokenizerConfig,
    parsed(files, 'tokenizer_config.json', (await readOptional(files, 'tokenizer_config.json')) ?? '{}'),
  )
  const vocabulary = hubVocabulary(await read(files, 'vocab.json', VocabularyFile), tokenizer, hub)
  if ('problem' in vocabulary) throw invalidModel(files, vocabulary.file, vocabulary.problem)
  const { hop, reach } = convolutionGeometry(hub)
  const derived = ModelConfig.safeParse({
    sample_rate: SAMPLE_RATE_HZ,
    language: languageOf(vocabulary.language),
    frame_seconds: hop / SAMPLE_RATE_HZ,
    first_frame_center_seconds: reach / 2 / SAMPLE_RATE_HZ,
    context_seconds: CONTEXT_SECONDS,
    tokens: vocabulary.tokens,
    blank_index: vocabulary.blank,
    word_delimiter: vocabulary.delimiter,
    decoder: DECODER,
  })
  if (!derived.success) {
    const isTiming = derived.error.issues.some(({ path }) => /seconds$/.test(String(path[0])))
    throw invalidModel(files, isTiming ? 'config.json' : 'vocab.json', issuesOf(derived.error))
  }
  return {
    config: derived.data,
    layout: {
      file: await networkIn(files),
      input: 'input_values',
      output: 'logits',
      normalizes: preprocessor.do_normalize,
      isLogits: true,
      unwritten: vocabulary.unwritten,
      framesFrom: 'config.json: conv_stride',
      fewestSamples: reach,
    },
  }
}

async function networkIn(files: ModelFiles): Promise<string> {
  const inner = (await namesIn(files, 'onnx')).map((name) => `onnx/${name}`)
  const names = new Set([...inner, ...(await namesIn(files, '.'))])
  const found = NETWORKS.find((name) => names.has(name))
  if (found !== undefined) return found
  throw invalidModel(
    files,
    'onnx/model.onnx',
    'is missing, and so is every other precision (model_quantized.onnx ...)',
  )
}

/** `eng` is `en`, `urd-script_arabic` is `ur`: the shorter codes where there are some. */
function languageOf(name: string | null): Language | null {
  if (name === null) return null
  const code = /^[a-z]{2,3}(?=$|[-_])/.exec(name)?.[0] ?? ''
  const language = Language.safeParse(code === '' ? '' : new Intl.Locale(code).language)
  return language.success ? language.data : null
}

async function read<Schema extends z.ZodType>(
  files: ModelFiles,
  name: string,
  schema: Schema,
): Promise<z.infer<Schema>> {
  return checked(files, name, schema, parsed(files, name, await readNeeded(files, name)))
}

function parsed(files: ModelFiles, name: string, text: string): unknown {
  const json = jsonOf(text)
  if ('problem' in json) throw invalidModel(files, name, json.problem)
  return json.value
}

function checked<Schema extends z.ZodType>(
  files: ModelFiles,
  name: string,
  schema: Schema,
  value: unknown,
): z.infer<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw invalidModel(files, name, issuesOf(result.error))
}
