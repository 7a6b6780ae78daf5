import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError, type ModelFiles } from '../engine.ts'
import { openSession } from '../onnx/runtime.ts'
import { ArpaError } from '../text/arpa.ts'
import { LanguageModel } from '../text/language-model.ts'
import { buildLexicon, type Lexicon, LexiconError } from '../text/lexicon.ts'
import { AcousticModel } from './acoustic-model.ts'
import { BeamDecoder } from './beam.ts'
import { beamDecoder, type Decoder, greedyDecoder } from './decoder.ts'
import { type ModelConfig, parseConfig } from './model-config.ts'

/** A loaded model: the network, and what turns its outputs into words. */
export interface CtcModel {
  readonly config: ModelConfig
  readonly acoustic: AcousticModel
  readonly decoder: Decoder
}

export interface LoadOptions {
  /** Leave lexicon and language model aside. */
  readonly greedy?: boolean
}

/**
 * Reads a model folder: `model.onnx` and `config.json`; `lexicon.txt` (a word a line) and `language-model.arpa` where it has
 * them. With a language model alone its words are the lexicon; with neither the decoder is greedy. Throws an `EngineError`
 * (`invalid_model`) that names file and field.
 */
export async function loadModel(files: ModelFiles, options: LoadOptions = {}): Promise<CtcModel> {
  const parsed = parseConfig(await readNeeded(files, 'config.json'))
  if ('problem' in parsed) throw invalidModel(files, 'config.json', parsed.problem)
  const { config } = parsed
  const decoder = options.greedy ? greedyDecoder(config) : await loadDecoder(files, config)
  const path = join(files.folder, 'model.onnx')
  if ((await stat(path).catch(ifMissing)) === null) throw invalidModel(files, 'model.onnx', 'is missing')
  const session = await openSession(path, files.threads).catch((error: unknown) => {
    throw invalidModel(files, 'model.onnx', `cannot be opened: ${messageOf(error)}`, error)
  })
  const problem = AcousticModel.interfaceProblem(session)
  if (problem !== null) throw invalidModel(files, 'model.onnx', problem)
  return { config, acoustic: new AcousticModel(session, config), decoder }
}

async function loadDecoder(files: ModelFiles, config: ModelConfig): Promise<Decoder> {
  const arpa = await readOptional(files, 'language-model.arpa')
  const listed = await readOptional(files, 'lexicon.txt')
  const model = arpa === null ? null : parsedBy(files, 'language-model.arpa', () => LanguageModel.parse(arpa))
  const words = listed?.split(/\r?\n/).map((line) => line.trim()) ?? model?.words() ?? null
  if (words === null) return greedyDecoder(config)
  const file = listed === null ? 'language-model.arpa' : 'lexicon.txt'
  const lexicon = parsedBy(files, file, () => lexiconOf(words, config))
  if (lexicon.words.length === 0) throw invalidModel(files, file, 'has no words')
  const delimiter = config.tokens.indexOf(config.word_delimiter)
  const alphabet = { tokenCount: config.tokens.length, blank: config.blank_index, delimiter }
  const beam = new BeamDecoder(lexicon, model, alphabet, {
    beamWidth: config.decoder.beam_width,
    languageModelWeight: config.decoder.language_model_weight,
    wordBonus: config.decoder.word_bonus,
    tokenLogProbFloor: config.decoder.token_log_prob_floor,
    scoreMargin: config.decoder.score_margin,
  })
  return beamDecoder(beam, lexicon)
}

function lexiconOf(words: Iterable<string>, config: ModelConfig): Lexicon {
  const tokens = new Map(config.tokens.map((token, index) => [token, index]))
  tokens.delete(config.word_delimiter)
  tokens.delete(config.tokens[config.blank_index] ?? '')
  return buildLexicon(words, (character) => tokens.get(character))
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

async function readNeeded(files: ModelFiles, name: string): Promise<string> {
  const text = await readOptional(files, name)
  if (text === null) throw invalidModel(files, name, 'is missing')
  return text
}

function readOptional(files: ModelFiles, name: string): Promise<string | null> {
  return readFile(join(files.folder, name), 'utf8')
    .catch(ifMissing)
    .catch((error: unknown) => {
      throw invalidModel(files, name, `cannot be read: ${messageOf(error)}`, error)
    })
}

function ifMissing(error: unknown): null {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
  throw error
}

function invalidModel(files: ModelFiles, file: string, problem: string, cause?: unknown): EngineError {
  const message = `The model ${files.runtimeModelId} cannot be used: ${file}: ${problem}`.slice(0, 2000)
  return new EngineError({ code: 'invalid_model', message, retryable: false }, { cause })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
