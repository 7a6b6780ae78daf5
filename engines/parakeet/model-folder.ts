import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { InferenceSession } from 'onnxruntime-node'
import { EngineError, type ModelFiles } from '../engine.ts'
import { readTextFile, TextFileError } from '../text/text-file.ts'
import type { Acoustics } from './acoustics.ts'
import { invalidModel, messageOf } from './failures.ts'
import { FeatureExtractor } from './features.ts'
import { frameSeconds, MODEL_TYPES, type ModelConfig, parseConfig } from './model-config.ts'
import { openSearch } from './open-search.ts'
import { CtcRecognizer, type Recognizer, TransducerRecognizer } from './recognizer.ts'
import { openNetwork } from './sessions.ts'
import { portsOf } from './step-model.ts'
import { encodedInTrial, tryCtc } from './trial.ts'
import { Vocabulary, VocabularyError } from './vocabulary.ts'

/** A loaded model: its networks, and what their outputs mean. */
export interface ParakeetModel {
  readonly config: ModelConfig
  readonly vocabulary: Vocabulary
  readonly frameSeconds: number
  readonly recognizer: Recognizer
}

/** A GPU computes a batch as fast as an item; this many windows of 30 s fit beside a model of 0.6 billion in 8 GB. */
const ITEMS_ON_GPU = 16

/** The vocabularies of published models are below 200 KB. */
const MOST_BYTES = 32 << 20

/** Of several precisions in one folder the first of these is taken. */
const SUFFIXES = ['', '.int8', '.fp16'] as const

/**
 * Reads a model folder in the public hub layout. Throws an `EngineError` (`invalid_model`) that names file and field; what
 * was opened by then is released.
 */
export async function loadModel(files: ModelFiles): Promise<ParakeetModel> {
  const config = readConfig(files, await readNeeded(files, 'config.json'))
  const vocabulary = readVocabulary(files, await readNeeded(files, 'vocab.txt'))
  const opened: (() => Promise<void>)[] = []
  try {
    const recognizer = await openRecognizer(files, config, vocabulary, (release) => opened.push(release))
    return { config, vocabulary, frameSeconds: frameSeconds(config), recognizer }
  } catch (error) {
    for (const release of opened) await release()
    throw error
  }
}

async function openRecognizer(
  files: ModelFiles,
  config: ModelConfig,
  vocabulary: Vocabulary,
  releasedOnError: (release: () => Promise<void>) => void,
): Promise<Recognizer> {
  const kind = MODEL_TYPES[config.model_type]
  const suffix = await suffixOf(files, kind === 'ctc' ? ['model'] : ['encoder-model', 'decoder_joint-model'])
  const networkFile = `${kind === 'ctc' ? 'model' : 'encoder-model'}${suffix}.onnx`
  const outputs = kind === 'ctc' ? ['logprobs'] : ['outputs', 'encoded_lengths']
  const network = await openAcoustic(files, networkFile, {
    inputs: ['audio_signal', 'length'],
    outputs,
    config,
  })
  releasedOnError(() => network.release())
  const features = await FeatureExtractor.open(config.features_size, files.threads)
  releasedOnError(() => features.release())
  const acoustics: Acoustics = {
    features,
    network,
    networkFile,
    itemsAtOnce: files.device === 'cpu' ? 1 : ITEMS_ON_GPU,
    subsampling: config.subsampling_factor,
    invalid: (file, problem) => invalidModel(files.runtimeModelId, file, problem),
  }
  if (kind === 'ctc') {
    await tried(files, networkFile, () => tryCtc(acoustics, vocabulary.size))
    return new CtcRecognizer(acoustics, vocabulary.size)
  }
  const heard = await tried(files, networkFile, () => encodedInTrial(acoustics))
  const name = `decoder_joint-model${suffix}.onnx`
  const search = await openSearch({
    files,
    name,
    path: join(files.folder, name),
    channels: heard.channels,
    options: {
      tokens: vocabulary.size,
      mostTokens: config.max_tokens_per_step,
      hasDurations: kind === 'tdt',
    },
  })
  releasedOnError(() => search.release())
  await tried(files, name, () => search.search(heard, async () => {}))
  return new TransducerRecognizer(acoustics, search)
}

/** What a network does not do in a trial it will never do; but for want of memory. */
async function tried<Said>(files: ModelFiles, file: string, run: () => Promise<Said>): Promise<Said> {
  try {
    return await run()
  } catch (error) {
    const code = error instanceof EngineError ? error.taskError.code : null
    if (code === 'out_of_memory' || code === 'invalid_model') throw error
    const said = messageOf(error).replace(`${file}: `, '')
    throw invalidModel(files.runtimeModelId, file, `does not run: ${said}`, error)
  }
}

async function openAcoustic(
  files: ModelFiles,
  file: string,
  expected: { inputs: readonly string[]; outputs: readonly string[]; config: ModelConfig },
): Promise<InferenceSession> {
  const session = await openNetwork(files, file)
  const problem = networkProblem(session, expected)
  if (problem === null) return session
  await session.release()
  throw invalidModel(files.runtimeModelId, file, problem)
}

function networkProblem(
  session: InferenceSession,
  { inputs, outputs, config }: { inputs: readonly string[]; outputs: readonly string[]; config: ModelConfig },
): string | null {
  const has = (names: readonly string[]) => names.join(', ') || 'none'
  for (const name of inputs)
    if (!session.inputNames.includes(name))
      return `expected the input ${name}, it has ${has(session.inputNames)}`
  for (const name of outputs)
    if (!session.outputNames.includes(name))
      return `expected the output ${name}, it has ${has(session.outputNames)}`
  const bands = portsOf(session).inputs.find(({ name }) => name === 'audio_signal')?.shape?.[1]
  if (typeof bands === 'number' && bands > 0 && bands !== config.features_size)
    return `audio_signal: expected ${config.features_size} bands (config.json: features_size), it has ${bands}`
  return null
}

/** What stands in all names behind the stem: a folder may hold one precision, or several. */
async function suffixOf(files: ModelFiles, stems: readonly string[]): Promise<string> {
  const names = new Set(await readdir(files.folder).catch(() => []))
  const found = SUFFIXES.find((suffix) => stems.every((stem) => names.has(`${stem}${suffix}.onnx`)))
  if (found !== undefined) return found
  const missing = stems.find((stem) => !SUFFIXES.some((suffix) => names.has(`${stem}${suffix}.onnx`)))
  const problem =
    missing === undefined
      ? `expected ${stems.join(' and ')} in one precision`
      : `is missing, and so are ${SUFFIXES.slice(1)
          .map((suffix) => `${missing}${suffix}.onnx`)
          .join(', ')}`
  throw invalidModel(files.runtimeModelId, `${missing ?? stems[0]}.onnx`, problem)
}

function readConfig(files: ModelFiles, text: string): ModelConfig {
  const parsed = parseConfig(text)
  if ('problem' in parsed) throw invalidModel(files.runtimeModelId, 'config.json', parsed.problem)
  return parsed.config
}

function readVocabulary(files: ModelFiles, text: string): Vocabulary {
  try {
    return Vocabulary.parse(text)
  } catch (error) {
    if (error instanceof VocabularyError)
      throw invalidModel(files.runtimeModelId, 'vocab.txt', error.message, error)
    throw error
  }
}

async function readNeeded(files: ModelFiles, name: string): Promise<string> {
  try {
    const text = await readTextFile(join(files.folder, name), MOST_BYTES)
    if (text !== null) return text
  } catch (error) {
    if (error instanceof TextFileError) throw invalidModel(files.runtimeModelId, name, error.message, error)
    throw error
  }
  throw invalidModel(files.runtimeModelId, name, 'is missing')
}
