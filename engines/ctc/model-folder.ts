import { EngineError, type ModelFiles } from '../engine.ts'
import { ArpaError } from '../text/arpa.ts'
import { LanguageModel } from '../text/language-model.ts'
import { buildLexicon, type Lexicon, LexiconError } from '../text/lexicon.ts'
import { AcousticModel, type NetworkLayout } from './acoustic-model.ts'
import type { Decoder } from './decoder.ts'
import { Decoders } from './decoders.ts'
import { isHubConfig } from './hub-config.ts'
import { readHubFolder } from './hub-folder.ts'
import { jsonOf, type ModelConfig, parseConfig } from './model-config.ts'
import { invalidModel, messageOf, openNetwork, readNeeded, readOptional } from './model-files.ts'
import { trialProblem } from './trial.ts'

/** A loaded model: the network, and what turns its outputs into words. */
export interface CtcModel {
  readonly config: ModelConfig
  readonly acoustic: AcousticModel
  readonly decoders: Decoders
  /** Of the task at hand; the plain one in a model that was just loaded. */
  readonly decoder: Decoder
}

/** What Node can hold as one text. */
const MOST_WORDS_BYTES = 500e6
/** Of one frame of the search, 36 bytes each. */
const MOST_CANDIDATES = 4e6

export interface LoadOptions {
  /** Leave lexicon and language model aside. */
  readonly greedy?: boolean
}

/** A folder's `config.json` and what belongs to it, whatever its layout. */
export interface FolderConfig {
  readonly config: ModelConfig
  readonly layout: NetworkLayout
}

/**
 * Reads a model folder: in this engine's own layout, or in the hub's for wav2vec2 and its kin. `lexicon.txt` (a word a line)
 * and `language-model.arpa` may stand in both. With a language model alone its words are the lexicon; with neither the
 * decoder is greedy. Throws an `EngineError` (`invalid_model`) that names file and field.
 */
export async function loadModel(files: ModelFiles, options: LoadOptions = {}): Promise<CtcModel> {
  const { config, layout } = await readFolder(files)
  const letters = lettersOf(config, layout)
  const { lexicon, model } = options.greedy
    ? { lexicon: null, model: null }
    : await readWords(files, config, letters)
  const decoders = new Decoders(config, lexicon, model, letters)
  const acoustic = await openAcoustic(files, config, layout)
  return { config, acoustic, decoders, decoder: decoders.plain }
}

/** The network, tried: nothing of it stays open where it is not what the folder says. */
async function openAcoustic(
  files: ModelFiles,
  config: ModelConfig,
  layout: NetworkLayout,
): Promise<AcousticModel> {
  const session = await openNetwork(files, layout.file)
  const acoustic = new AcousticModel(session, config, layout)
  try {
    const problem =
      AcousticModel.interfaceProblem(session, layout, config.tokens.length) ??
      (await trialProblem(acoustic, layout))
    if (problem !== null) throw invalidModel(files, layout.file, problem)
    return acoustic
  } catch (error) {
    await acoustic.release()
    if (error instanceof EngineError) throw error
    throw invalidModel(files, layout.file, `does not run: ${messageOf(error)}`, error)
  }
}

async function readFolder(files: ModelFiles): Promise<FolderConfig> {
  const json = jsonOf(await readNeeded(files, 'config.json'))
  if ('problem' in json) throw invalidModel(files, 'config.json', json.problem)
  if (isHubConfig(json.value)) return readHubFolder(files, json.value)
  const parsed = parseConfig(json.value)
  if ('problem' in parsed) throw invalidModel(files, 'config.json', parsed.problem)
  const { config } = parsed
  return { config, layout: ownLayout(config) }
}

function ownLayout(config: ModelConfig): NetworkLayout {
  return {
    file: 'model.onnx',
    input: 'audio',
    output: 'log_probs',
    normalizes: false,
    isLogits: false,
    unwritten: [],
    framesFrom: 'config.json: frame_seconds',
    fewestSamples: Math.round(2 * config.context_seconds * config.sample_rate),
  }
}

/** The tokens that words are made of. */
function lettersOf(config: ModelConfig, { unwritten }: NetworkLayout): number[] {
  const delimiter = config.tokens.indexOf(config.word_delimiter)
  const others = new Set([config.blank_index, delimiter, ...unwritten])
  return [...config.tokens.keys()].filter((token) => !others.has(token))
}

async function readWords(
  files: ModelFiles,
  config: ModelConfig,
  letters: readonly number[],
): Promise<{ lexicon: Lexicon | null; model: LanguageModel | null }> {
  const arpa = await readOptional(files, 'language-model.arpa', MOST_WORDS_BYTES)
  const listed = await readOptional(files, 'lexicon.txt', MOST_WORDS_BYTES)
  const model = arpa === null ? null : parsedBy(files, 'language-model.arpa', () => LanguageModel.parse(arpa))
  const words = listed?.split(/\r?\n/).map((line) => line.trim()) ?? model?.words() ?? null
  if (words === null) return { lexicon: null, model: null }
  const file = listed === null ? 'language-model.arpa' : 'lexicon.txt'
  const tokens = new Map(letters.map((letter) => [config.tokens[letter] ?? '', letter]))
  const lexicon = parsedBy(files, file, () => buildLexicon(words, (character) => tokens.get(character)))
  if (lexicon.words.length === 0) throw invalidModel(files, file, 'has no words')
  const candidates = config.decoder.beam_width * lexicon.widest
  if (candidates > MOST_CANDIDATES)
    throw invalidModel(
      files,
      'config.json',
      `decoder.beam_width: expected at most ${Math.floor(MOST_CANDIDATES / lexicon.widest)} where ${lexicon.widest} letters may begin a word (${file}), came ${config.decoder.beam_width}`,
    )
  return { lexicon, model }
}

function parsedBy<T>(files: ModelFiles, file: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof ArpaError || error instanceof LexiconError)
      throw invalidModel(files, file, error.message, error)
    throw error
  }
}
