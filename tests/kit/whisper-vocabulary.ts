/**
 * A Whisper vocabulary of any size with the files that go with it: byte-level BPE, and behind the text the special tokens in
 * the order of the published models, so that ids stand to each other as they do there.
 */
export interface VocabularyOptions {
  /** Tokens beyond the 256 bytes, in the byte-level alphabet (`Ġ` is a space). A pair is a merge of two that are there. */
  readonly merges?: readonly (readonly [string, string])[]
  /** How many text tokens there are; what merges leave open is filled with tokens that no text gives. */
  readonly textTokens?: number
  /** Empty: an English-only model. */
  readonly languages?: readonly string[]
}

export interface WhisperVocabulary {
  readonly text: readonly string[]
  readonly merges: readonly (readonly [string, string])[]
  readonly special: readonly string[]
  readonly size: number
  readonly languages: readonly string[]
  id(token: string): number
}

export const TIMESTAMPS = 1501

export function whisperVocabulary(options: VocabularyOptions = {}): WhisperVocabulary {
  const { merges = [], languages = ['en', 'de', 'fr', 'zh'] } = options
  const text = [...BYTES, ...merges.map(([left, right]) => left + right)]
  for (let index = text.length; index < (options.textTokens ?? 0); index++) text.push(`Ġfiller${index}`)
  const special = [
    '<|endoftext|>',
    '<|startoftranscript|>',
    ...(languages.length > 0 ? languages : ['en']).map((language) => `<|${language}|>`),
    '<|translate|>',
    '<|transcribe|>',
    '<|startoflm|>',
    '<|startofprev|>',
    '<|nospeech|>',
    '<|notimestamps|>',
  ]
  const ids = new Map([...text, ...special].map((token, index) => [token, index]))
  return {
    text,
    merges,
    special,
    size: text.length + special.length + TIMESTAMPS,
    languages,
    id(token) {
      const id = ids.get(token)
      if (id === undefined) throw new Error(`The vocabulary has no ${token}`)
      return id
    },
  }
}

export function tokenizerJson(vocabulary: WhisperVocabulary): object {
  const { text, merges, special } = vocabulary
  const timestamps = Array.from({ length: TIMESTAMPS }, (_, index) => `<|${(index * 0.02).toFixed(2)}|>`)
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...special, ...timestamps].map((content, index) => ({
      id: text.length + index,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: index < special.length,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '',
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      vocab: Object.fromEntries(text.map((token, index) => [token, index])),
      merges: merges.map(([left, right]) => `${left} ${right}`),
    },
  }
}

export const TOKENIZER_CONFIG = {
  tokenizer_class: 'WhisperTokenizer',
  clean_up_tokenization_spaces: false,
  eos_token: '<|endoftext|>',
  bos_token: '<|endoftext|>',
  unk_token: '<|endoftext|>',
}

/** Fields as the published `generation_config.json` files have them. */
export function generationConfig(
  vocabulary: WhisperVocabulary,
  alignmentHeads: readonly (readonly [number, number])[],
  suppressed: readonly number[] = [],
): Record<string, unknown> {
  const end = vocabulary.id('<|endoftext|>')
  const multilingual = vocabulary.languages.length > 0
  return {
    alignment_heads: alignmentHeads,
    begin_suppress_tokens: [vocabulary.id('Ġ'), end],
    bos_token_id: end,
    decoder_start_token_id: vocabulary.id('<|startoftranscript|>'),
    eos_token_id: end,
    is_multilingual: multilingual,
    ...(multilingual
      ? {
          lang_to_id: Object.fromEntries(
            vocabulary.languages.map((language) => [`<|${language}|>`, vocabulary.id(`<|${language}|>`)]),
          ),
          task_to_id: {
            transcribe: vocabulary.id('<|transcribe|>'),
            translate: vocabulary.id('<|translate|>'),
          },
        }
      : {}),
    max_initial_timestamp_index: 50,
    max_length: 448,
    no_timestamps_token_id: vocabulary.id('<|notimestamps|>'),
    pad_token_id: end,
    prev_sot_token_id: vocabulary.id('<|startofprev|>'),
    return_timestamps: false,
    suppress_tokens: ['<|translate|>', '<|transcribe|>', '<|startoflm|>', '<|startofprev|>', '<|nospeech|>']
      .map((token) => vocabulary.id(token))
      .concat(vocabulary.id('<|startoftranscript|>'), suppressed),
  }
}

/** The byte-level alphabet of GPT-2: each byte is a character that can be seen, in the order of its vocabulary. */
const VISIBLE = [
  ...Array.from({ length: 94 }, (_, index) => 33 + index),
  ...Array.from({ length: 12 }, (_, index) => 161 + index),
  ...Array.from({ length: 82 }, (_, index) => 174 + index),
]
const HIDDEN = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !VISIBLE.includes(byte))
const BYTES = [
  ...VISIBLE.map((byte) => String.fromCharCode(byte)),
  ...HIDDEN.map((_, index) => String.fromCharCode(256 + index)),
]
