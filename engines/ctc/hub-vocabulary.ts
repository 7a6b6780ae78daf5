import { z } from 'zod'
import type { TokenizerConfig } from './hub-config.ts'

/** Which output of an exported network writes what, from its tokenizer's files. Pure. */
export interface HubVocabulary {
  /** By output; an output that has no name writes nothing and is called `<index>`. */
  readonly tokens: readonly string[]
  readonly blank: number
  readonly delimiter: string
  readonly unwritten: readonly number[]
  /** Of a vocabulary by languages: the one of this export, as its file calls it. */
  readonly language: string | null
}

export interface VocabularyProblem {
  readonly file: string
  readonly problem: string
}

const MOST_TOKENS = 100_000
const Flat = z.record(z.string(), z.int().min(0).max(MOST_TOKENS))
export const VocabularyFile = z.union(
  [Flat, z.record(z.string(), Flat)],
  'expected tokens with their indices, or these by language',
)

export function hubVocabulary(
  file: z.infer<typeof VocabularyFile>,
  tokenizer: TokenizerConfig,
  config: { readonly vocab_size?: number | undefined; readonly pad_token_id?: number | null | undefined },
): HubVocabulary | VocabularyProblem {
  const chosen = byLanguage(file, tokenizer, config.vocab_size)
  if ('problem' in chosen) return chosen
  const indices = new Map(Object.entries(chosen.indices))
  for (const [index, token] of Object.entries(tokenizer.added_tokens_decoder)) {
    const known = indices.get(token)
    if (known !== undefined && known !== Number(index))
      return problem(
        'tokenizer_config.json',
        `added_tokens_decoder: expected ${token} at ${known} as in vocab.json, it is at ${index}`,
      )
    // Tokenizers add marks of their own behind what the network puts out.
    const isBehind = Number(index) >= (config.vocab_size ?? Number.POSITIVE_INFINITY)
    if (!(isBehind && isMarkOf(tokenizer, token))) indices.set(token, Number(index))
  }
  const size = config.vocab_size ?? sizeOf(indices)
  if (size > MOST_TOKENS) return problem('vocab.json', `expected at most ${MOST_TOKENS} tokens, came ${size}`)
  const tokens: string[] = Array.from({ length: size }, (_, index) => `<${index}>`)
  const named = new Set<number>()
  for (const [token, index] of indices) {
    if (index >= size)
      return problem(
        'vocab.json',
        `${token}: expected an index below ${size} (config.json: vocab_size), came ${index}`,
      )
    if (named.has(index))
      return problem(
        'vocab.json',
        `${token}: expected an index of its own, ${tokens[index]} has ${index} too`,
      )
    named.add(index)
    tokens[index] = token
  }
  const delimiter = tokenizer.word_delimiter_token
  if (!indices.has(delimiter))
    return problem(
      'vocab.json',
      `expected the word delimiter ${JSON.stringify(delimiter)} (tokenizer_config.json: word_delimiter_token)`,
    )
  const pad = tokenizer.pad_token ?? null
  const blank = pad === null ? (config.pad_token_id ?? -1) : (indices.get(pad) ?? -1)
  if (blank < 0 || blank >= size)
    return pad === null
      ? problem(
          'config.json',
          'pad_token_id: expected the index of the blank, where tokenizer_config.json has no pad_token',
        )
      : problem(
          'tokenizer_config.json',
          `pad_token: expected a token of vocab.json, came ${JSON.stringify(pad)}`,
        )
  // Training took what config.json says for the blank.
  if (config.pad_token_id != null && config.pad_token_id !== blank)
    return problem(
      'config.json',
      `pad_token_id: expected ${blank}, where tokenizer_config.json has its pad_token, came ${config.pad_token_id}`,
    )
  const unwritten = [...tokens.keys()].filter((index) => {
    const token = tokens[index] ?? ''
    return index !== blank && token !== delimiter && (!named.has(index) || isMarkOf(tokenizer, token))
  })
  return { tokens, blank, delimiter, unwritten, language: chosen.language }
}

/** What a tokenizer never writes. */
function isMarkOf({ bos_token, eos_token, unk_token }: TokenizerConfig, token: string): boolean {
  return [bos_token, eos_token, unk_token].includes(token) || /^(<.+>|\[.+\])$/.test(token)
}

function sizeOf(indices: ReadonlyMap<string, number>): number {
  let highest = -1
  for (const index of indices.values()) highest = Math.max(highest, index)
  return highest + 1
}

/** Of a vocabulary by languages that of the one whose adapter is in the export. */
function byLanguage(
  file: z.infer<typeof VocabularyFile>,
  { target_lang }: TokenizerConfig,
  size: number | undefined,
): { indices: Readonly<Record<string, number>>; language: string | null } | VocabularyProblem {
  const flat = Flat.safeParse(file)
  if (flat.success) return { indices: flat.data, language: null }
  const languages = Object.entries(file).flatMap(([language, value]) =>
    typeof value === 'number' ? [] : [{ language, indices: value }],
  )
  const named = languages.find(({ language }) => language === target_lang)
  if (named !== undefined) return named
  const fitting = languages.filter(({ indices }) => Object.keys(indices).length === size)
  if (target_lang == null && fitting[0] !== undefined && fitting.length === 1) return fitting[0]
  const some = languages.slice(0, 5).map(({ language }) => language)
  return problem(
    'tokenizer_config.json',
    `target_lang: expected the language whose adapter is in the export, one of vocab.json (${some.join(', ')} ...), came ${target_lang ?? 'none'}`,
  )
}

function problem(file: string, text: string): VocabularyProblem {
  return { file, problem: text }
}
