import type { GenerationConfig } from './model-config.ts'

/** The tokens that steer a Whisper decoder, by what they mean. Null: the model has none. */
export interface SpecialTokens {
  readonly endOfText: number
  readonly startOfTranscript: number
  readonly startOfPrevious: number | null
  readonly noSpeech: number | null
  readonly noTimestamps: number
  /** `<|0.00|>`; what follows counts in steps of 0.02 s. */
  readonly firstTimestamp: number
  readonly transcribe: number | null
  readonly translate: number | null
  /** By the model's own codes; empty for an English-only model. */
  readonly languages: ReadonlyMap<string, number>
}

/** A token's id in `tokenizer.json`. */
export type TokenLookup = (token: string) => number | undefined

/**
 * Reads the tokens from `generation_config.json`, and what that leaves out from the tokenizer. A problem names the field.
 * Pure.
 */
export function specialTokens(
  config: GenerationConfig,
  lookup: TokenLookup,
  vocabularySize: number,
): { tokens: SpecialTokens } | { problem: string } {
  const { eos_token_id: end, no_timestamps_token_id: noTimestamps } = config
  const languages = config.is_multilingual === false ? new Map<string, number>() : languagesOf(config, lookup)
  const isMultilingual = config.is_multilingual ?? languages.size > 1
  const tokens: SpecialTokens = {
    endOfText: Array.isArray(end) ? (end[0] ?? 0) : end,
    startOfTranscript: config.decoder_start_token_id,
    startOfPrevious: config.prev_sot_token_id ?? lookup('<|startofprev|>') ?? null,
    noSpeech: lookup('<|nospeech|>') ?? lookup('<|nocaptions|>') ?? null,
    noTimestamps,
    firstTimestamp: noTimestamps + 1,
    transcribe: isMultilingual ? task(config, lookup, 'transcribe') : null,
    translate: isMultilingual ? task(config, lookup, 'translate') : null,
    languages: isMultilingual ? languages : new Map(),
  }
  const problem = problemOf(tokens, config, lookup, vocabularySize, isMultilingual)
  return problem === null ? { tokens } : { problem }
}

function languagesOf(config: GenerationConfig, lookup: TokenLookup): Map<string, number> {
  if (config.lang_to_id !== undefined) {
    const entries = Object.entries(config.lang_to_id)
    return new Map(entries.map(([token, id]) => [token.replace(/^<\||\|>$/g, ''), id]))
  }
  return new Map(
    PUBLISHED_LANGUAGES.flatMap((code) => {
      const id = lookup(`<|${code}|>`)
      return id === undefined ? [] : [[code, id] as const]
    }),
  )
}

function task(
  config: GenerationConfig,
  lookup: TokenLookup,
  name: 'transcribe' | 'translate',
): number | null {
  return config.task_to_id?.[name] ?? lookup(`<|${name}|>`) ?? null
}

function problemOf(
  tokens: SpecialTokens,
  config: GenerationConfig,
  lookup: TokenLookup,
  vocabularySize: number,
  isMultilingual: boolean,
): string | null {
  const named: readonly (readonly [string, number | null, string | null])[] = [
    ['eos_token_id', tokens.endOfText, '<|endoftext|>'],
    ['decoder_start_token_id', tokens.startOfTranscript, '<|startoftranscript|>'],
    ['no_timestamps_token_id', tokens.noTimestamps, '<|notimestamps|>'],
    ['prev_sot_token_id', tokens.startOfPrevious, '<|startofprev|>'],
    ...[...tokens.languages].map(([code, id]) => [`lang_to_id.<|${code}|>`, id, `<|${code}|>`] as const),
    ['task_to_id.transcribe', tokens.transcribe, isMultilingual ? '<|transcribe|>' : null],
    ['task_to_id.translate', tokens.translate, isMultilingual ? '<|translate|>' : null],
  ]
  for (const [field, id, token] of named) {
    if (id === null) continue
    if (id >= vocabularySize)
      return `${field}: expected an id below vocab_size (config.json), ${vocabularySize}, came ${id}`
    const known = token === null ? undefined : lookup(token)
    if (known !== undefined && known !== id)
      return `${field}: expected ${known}, which is ${token} in tokenizer.json, came ${id}`
  }
  if (tokens.firstTimestamp >= vocabularySize)
    return `no_timestamps_token_id: expected timestamps behind it, vocab_size (config.json) is ${vocabularySize}`
  if (isMultilingual && tokens.languages.size === 0)
    return 'lang_to_id: expected the languages of a multilingual model, came none'
  if (isMultilingual && tokens.transcribe === null) return 'task_to_id.transcribe: is missing'
  for (const field of ['suppress_tokens', 'begin_suppress_tokens'] as const) {
    const wrong = config[field]?.find((id) => id >= vocabularySize)
    if (wrong !== undefined)
      return `${field}: expected ids below vocab_size (config.json), ${vocabularySize}, came ${wrong}`
  }
  return null
}

/** The codes of the published tokenizers, for models whose files do not list theirs. */
const PUBLISHED_LANGUAGES = (
  'en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy ' +
  'sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo ' +
  'uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue'
).split(' ')
